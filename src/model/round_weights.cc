#include "model/round_weights.h"

#include <algorithm>
#include <cmath>

#include "kernels/gemm_int8/gemm_int8.h"
#include "model/quantize.h"

namespace gemvec::model {

namespace {

using kernels::kPanel;

// A bias beyond comes of damaged weights, and none would make them good.
constexpr double kMostBias = 0x1p25;

// A grid of codes that lie evenly: -most..most, times a scale; kept with `zero` added.
struct EvenGrid {
  float most;
  int zero;
};
constexpr EvenGrid kGridInt8 = {kernels::kMaxCode, 0},
                   kGridInt6 = {kernels::kInt6Zero - 1, kernels::kInt6Zero};

const EvenGrid& grid_of(Encoding encoding) { return encoding == Encoding::kInt8 ? kGridInt8 : kGridInt6; }

int code_of(const Column& column, std::size_t p, const EvenGrid& grid) {
  return grid.zero == 0 ? static_cast<std::int8_t>(column.codes[p]) : column.codes[p] - grid.zero;
}

}  // namespace

PanelRounding::PanelRounding(std::size_t most_inputs)
    : columns_(kPanel, Column(most_inputs)),
      differences_(kPanel * most_inputs),
      earlier_(kPanel * kPanel),
      exact_(kPanel) {}

void PanelRounding::round(const RawRows& source, bool round_to_bf16, const PackedLinear& layer,
                          std::size_t first, const InputStatistics& inputs, const kernels::GemmKernels& gemm,
                          std::byte* panel) {
  const std::size_t k = layer.inputs, group = group_of(k);
  read(source, round_to_bf16, layer, first, inputs);
  for (std::size_t block = k / kPanel; block-- > 0;) {
    const std::size_t after = (block + 1) * kPanel;
    std::fill(earlier_.begin(), earlier_.end(), 0.0F);
    if (after < k) {
      kernels::GemmArgs args;
      args.a = differences_.data() + after;
      args.lda = k;
      args.b = inputs.row(block, after);
      args.b_panel_stride = (k - after) * kPanel;
      args.c = earlier_.data();
      args.ldc = kPanel;
      args.m = kPanel;
      args.k = k - after;
      args.panels = 1;
      gemm.f32(args);
    }
    round_columns(layer, inputs, block);
  }
  auto* const bias = reinterpret_cast<float*>(panel + layer.panel_bytes() - kernels::kPanelBias);
  for (std::size_t j = 0; j < kPanel; ++j) {
    const Column& column = columns_[j];
    double coded = 0;
    for (std::size_t p = 0; p < k; ++p) {
      const double weight =
          static_cast<double>(code_of(column, p, grid_of(layer.encoding))) * column.scales[p / group];
      coded += weight * inputs.coded_mean.data()[p];
    }
    const double difference = exact_[j] - coded;
    bias[j] = std::abs(difference) < kMostBias ? static_cast<float>(difference) : 0;
    place_column(layer.encoding, column, k, j, panel);
  }
}

void PanelRounding::read(const RawRows& source, bool round_to_bf16, const PackedLinear& layer,
                         std::size_t first, const InputStatistics& inputs) {
  for (std::size_t j = 0; j < kPanel; ++j) {
    Column& column = columns_[j];
    source.read(first + j, round_to_bf16, column.numbers.data());
    exact_[j] = 0;
    for (std::size_t p = 0; p < layer.inputs; ++p) {
      exact_[j] += static_cast<double>(column.numbers[p]) * inputs.mean.data()[p];
    }
    quantize_column(layer.encoding, false, layer.inputs, column);
  }
}

// Columns 32 block .. 32 block + 31 of all outputs, from the last to the first.
void PanelRounding::round_columns(const PackedLinear& layer, const InputStatistics& inputs,
                                  std::size_t block) {
  const EvenGrid& grid = grid_of(layer.encoding);
  const std::size_t k = layer.inputs, group = group_of(k), first = block * kPanel;
  for (std::size_t j = 0; j < kPanel; ++j) {
    Column& column = columns_[j];
    float* const fed = earlier_.data() + j * kPanel;
    const float scale = column.scales[first / group];
    const float inverse = scale < 1e-30F ? 0.0F : 1.0F / scale;
    for (std::size_t c = kPanel; c-- > 0;) {
      const std::size_t p = first + c;
      const float wanted = (column.numbers[p] + fed[c]) * inverse;
      const float code = nearest(std::min(std::max(-grid.most, wanted), grid.most));  // a NaN becomes -most
      const float difference = column.numbers[p] - code * scale;
      differences_[j * k + p] = difference;
      column.codes[p] = static_cast<std::uint8_t>(static_cast<int>(code) + grid.zero);
      const float* const feedback = inputs.row(block, p);
      for (std::size_t before = 0; before < c; ++before) fed[before] += difference * feedback[before];
    }
  }
}

}  // namespace gemvec::model
