// One output of a linear layer on its way from the source into a panel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/weights.h"

namespace gemvec::model {

// Several matrices with the same inputs seen as one: the rows of a fused linear layer. One after the other,
// or kPanel rows of each in turn.
struct RawRows {
  std::span<const RawTensor* const> parts;
  bool in_turn = false;

  // Row `row` as fp32: out[cols].
  void read(std::size_t row, bool round_to_bf16, float* out) const;
};

// A layer's linear layers, in the order of PackedLayer.
enum class LinearPart { kQueryKey, kValue, kOutput, kGateUp, kDown };
inline constexpr LinearPart kLinearParts[] = {LinearPart::kQueryKey, LinearPart::kValue, LinearPart::kOutput,
                                              LinearPart::kGateUp, LinearPart::kDown};

// The sources of a layer's linear layers.
struct LinearSources {
  const RawTensor* query_key[2];
  const RawTensor* value[1];
  const RawTensor* output[1];
  const RawTensor* gate_up[2];
  const RawTensor* down[1];

  explicit LinearSources(const RawLayer& layer)
      : query_key{&layer.q, &layer.k},
        value{&layer.v},
        output{&layer.o},
        gate_up{&layer.gate, &layer.up},
        down{&layer.down} {}

  [[nodiscard]] RawRows rows(LinearPart part) const;
};

// One thread's room for a column.
struct Column {
  std::vector<float> numbers, scales;
  std::vector<std::uint8_t> codes, steps;

  explicit Column(std::size_t k)
      : numbers(k), scales(k / kernels::kMinGroup), codes(k), steps(k / kernels::kStepGroup) {}
};

// The column's numbers rounded to what the encoding can say, each by itself. `numbers` is overwritten if the
// encoding has codes.
void quantize_column(Encoding encoding, bool per_channel, std::size_t k, Column& column);

// The column, quantised if the encoding has codes, to column number `index` of a panel
// (kernels/gemm/gemm.h, kernels/gemm_int8/gemm_int8.h).
void place_column(Encoding encoding, const Column& from, std::size_t k, std::size_t index, std::byte* panel);

}  // namespace gemvec::model
