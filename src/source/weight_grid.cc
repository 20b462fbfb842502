#include "source/weight_grid.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <vector>

#include "formats/ggml_blocks.h"
#include "model/weights.h"

namespace gemvec::source {

namespace {

using formats::GgmlType;
using model::RawTensor;

// A checkpoint in bf16 has d * q rounded by up to 2^-9 of itself, so a d that is taken from its largest
// number is off by as much, and rounding that to fp16 adds 2^-11. Together they stay below 2^-7. That all 32
// numbers of a block come so near to 16 levels by chance has a probability of about 2^-120, for Q8_0's 255
// levels about 2^-20; and all blocks are looked at.
constexpr float kRounding = 0x1p-7F;
// Rows that a thread takes at a time: some hundred microseconds' work.
constexpr std::size_t kTaskRows = 16;
// Tasks between two looks at whether the source's pages should be given back: 12 MB of fp32 rows of 768.
constexpr std::size_t kTasksAtOnce = 256;

// What x becomes as this type, and back. Zeros are equal whatever their sign, which no product shows.
GridFit fit_of(const float* x, const float* decoded, std::size_t n) {
  GridFit fit = GridFit::kExact;
  for (std::size_t i = 0; i < n; ++i) {
    if (decoded[i] == x[i]) continue;
    if (!(std::fabs(decoded[i] - x[i]) <= kRounding * std::fabs(x[i]))) return GridFit::kNone;  // also a NaN
    fit = GridFit::kRounded;
  }
  return fit;
}

GridFit fit_of_row(const RawTensor& tensor, std::size_t row, GgmlType type, std::vector<float>& x,
                   std::vector<std::byte>& codes) {
  x.resize(2 * tensor.cols);
  codes.resize(formats::ggml_row_bytes(type, tensor.cols));
  float* decoded = x.data() + tensor.cols;
  model::read_row(tensor, row, false, x.data());
  // The encoder takes finite numbers only.
  if (!std::all_of(x.data(), decoded, [](float value) { return std::isfinite(value); }))
    return GridFit::kNone;
  formats::ggml_encode_row(type, x.data(), tensor.cols, codes.data());
  formats::ggml_decode_row(type, codes.data(), tensor.cols, decoded);
  return fit_of(x.data(), decoded, tensor.cols);
}

class Finder {
 public:
  Finder(const ModelSource& source, base::ThreadPool& pool)
      : source_(source), pool_(pool), numbers_(pool.size()), codes_(pool.size()) {}

  // The worst of all rows; kNone as soon as one is seen.
  GridFit fit(const RawTensor& tensor, GgmlType type) {
    const std::size_t block = formats::ggml_traits(static_cast<std::uint32_t>(type))->block;
    if (tensor.cols % block != 0) return GridFit::kNone;
    // The first row alone says no nearly always.
    std::atomic<GridFit> worst{fit_of_row(tensor, 0, type, numbers_[0], codes_[0])};
    const std::size_t tasks = (tensor.rows + kTaskRows - 1) / kTaskRows;
    for (std::size_t first = 0; first < tasks && worst != GridFit::kNone; first += kTasksAtOnce) {
      pool_.run(std::min(kTasksAtOnce, tasks - first), [&](std::size_t task, unsigned thread) {
        const std::size_t begin = (first + task) * kTaskRows;
        for (std::size_t row = begin; row < std::min(begin + kTaskRows, tensor.rows); ++row) {
          if (worst == GridFit::kNone) return;
          const GridFit found = fit_of_row(tensor, row, type, numbers_[thread], codes_[thread]);
          GridFit known = worst;
          while (found < known && !worst.compare_exchange_weak(known, found)) {
          }
        }
      });
      for (const base::MappedFile& file : source_.files) file.release_pages();
    }
    return worst;
  }

  GridFit fit_of_linears(GgmlType type) {
    const model::RawWeights& weights = source_.weights;
    GridFit worst = GridFit::kExact;
    const auto look = [&](const RawTensor& tensor) {
      if (worst != GridFit::kNone) worst = std::min(worst, fit(tensor, type));
    };
    for (const model::RawLayer& layer : weights.layers) {
      for (const RawTensor* tensor :
           {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down})
        look(*tensor);
    }
    if (source_.config.dense_width == 0) return worst;
    look(weights.dense2);
    look(weights.dense3);
    return worst;
  }

 private:
  const ModelSource& source_;
  base::ThreadPool& pool_;
  std::vector<std::vector<float>> numbers_;  // one a thread
  std::vector<std::vector<std::byte>> codes_;
};

}  // namespace

WeightGrid find_weight_grid(const ModelSource& source, base::ThreadPool& pool) {
  WeightGrid grid;
  if (source.quantized || source.bundle != nullptr) return grid;
  Finder finder(source, pool);
  // Whatever stands on Q4_0's grid stands on Q8_0's too.
  for (const GgmlType type : {GgmlType::kQ4_0, GgmlType::kQ8_0}) {
    grid.fit = finder.fit_of_linears(type);
    if (grid.fit == GridFit::kNone) continue;
    grid.type = formats::ggml_type_name(static_cast<std::uint32_t>(type));
    // The table of both kinds of file is Q8_0.
    grid.table_fit = finder.fit(source.weights.embedding, GgmlType::kQ8_0);
    break;
  }
  return grid;
}

}  // namespace gemvec::source
