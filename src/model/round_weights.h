// Weights to codes with regard to the inputs that they will meet: each takes back what the rounding of others
// has done to the output.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/table.h"
#include "model/columns.h"
#include "model/input_statistics.h"

namespace gemvec::model {

// One thread's rounding of panels: 32 outputs, [32][k] of a layer, at a time.
class PanelRounding {
 public:
  explicit PanelRounding(std::size_t most_inputs);

  // Rounds outputs first .. first + 31 of a layer once more, with the scales that quantize_column() finds,
  // and writes them and their biases to `panel`. The numbers are those that pack_layer() has found finite.
  // REQUIRES: layer.encoding is kInt8 or kInt6.
  void round(const RawRows& source, bool round_to_bf16, const PackedLinear& layer, std::size_t first,
             const InputStatistics& inputs, const kernels::GemmKernels& gemm, std::byte* panel);

 private:
  void read(const RawRows& source, bool round_to_bf16, const PackedLinear& layer, std::size_t first,
            const InputStatistics& inputs);
  void round_columns(const PackedLinear& layer, const InputStatistics& inputs, std::size_t block);

  std::vector<Column> columns_;     // of the panel's outputs: rotated numbers, scales and codes
  std::vector<float> differences_;  // [32][k]: the rotated numbers less what their codes stand for
  std::vector<float> earlier_;      // [32][32]: what is fed back to a block of columns
  std::vector<double> exact_;       // [32]: the mean of the exact outputs
};

}  // namespace gemvec::model
