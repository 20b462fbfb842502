#include "model/input_statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/try.h"

namespace gemvec::model {

namespace {

using kernels::kPanel;

// Added to the diagonal of M, in its mean: what keeps a few thousand inputs from deciding on directions that
// they hardly have. 0.03 to 0.3 do about as well (docs/quantization.md); with it M is far from singular, so
// that fp32 will do.
constexpr float kDamping = 0.05F;

// Inputs are norms' outputs and gated products, some thousands at most. The square of this, summed over 2^20
// rows, is still an fp32 number.
constexpr float kMostInput = 0x1p40F;

// Rows of a task.
constexpr std::size_t kRows = 64;
// Rows that are turned into columns at a time: a cache line of each column.
constexpr std::size_t kTurnedRows = 16;
// Columns of x that are summed at a time: a few cache lines of each row.
constexpr std::size_t kSummedColumns = 64;

// x' twice: by columns, [k][rows], and by panels, [k / 32][rows][32]. The operands of M's product.
struct Coded {
  base::AlignedBuffer<float> columns, panels;
};

class Measure {
 public:
  Measure(const float* x, std::size_t rows, std::size_t k, const kernels::KernelTable& kernels,
          base::ThreadPool& pool)
      : x_(x), rows_(rows), k_(k), kernels_(kernels), pool_(pool) {}

  Result<InputStatistics> run() {
    InputStatistics found;
    found.k = k_;
    GEMVEC_TRY(mean, base::AlignedBuffer<double>::create(k_));
    GEMVEC_TRY(coded_mean, base::AlignedBuffer<double>::create(k_));
    GEMVEC_TRY(feedback, base::AlignedBuffer<float>::create(k_ * k_));
    GEMVEC_TRY(moments, base::AlignedBuffer<float>::create(k_ * k_));
    found.mean = std::move(mean);
    found.coded_mean = std::move(coded_mean);
    found.feedback = std::move(feedback);
    GEMVEC_TRY(coded, code());
    take_means(coded, found);
    multiply(coded, moments.data());
    factor(moments.data(), found.feedback.data());
    return found;
  }

 private:
  [[nodiscard]] bool usable(std::size_t row) const {
    const float* x = x_ + row * k_;
    return std::all_of(x, x + k_, [](float v) { return std::abs(v) < kMostInput; });  // false for a NaN
  }

  Result<Coded> code() {
    const std::size_t group = kernels::group_of(k_), bytes = kernels_.gemm_int8->code_bytes;
    Coded to;
    GEMVEC_TRY(columns, base::AlignedBuffer<float>::create(rows_ * k_));
    GEMVEC_TRY(panels, base::AlignedBuffer<float>::create(rows_ * k_));
    to.columns = std::move(columns);
    to.panels = std::move(panels);
    std::vector<std::byte> codes(pool_.size() * k_ * bytes);
    std::vector<kernels::RowGroup> groups(pool_.size() * (k_ / group));
    std::vector<float> decoded(pool_.size() * kTurnedRows * k_);
    usable_.resize(rows_);
    pool_.run((rows_ + kTurnedRows - 1) / kTurnedRows, [&](std::size_t task, unsigned thread) {
      std::byte* const code = codes.data() + thread * k_ * bytes;
      kernels::RowGroup* const scales = groups.data() + thread * (k_ / group);
      float* const values = decoded.data() + thread * kTurnedRows * k_;
      const std::size_t first = task * kTurnedRows, count = std::min(rows_ - first, kTurnedRows);
      for (std::size_t i = 0; i < count; ++i) {
        float* const value = values + i * k_;
        std::fill_n(value, k_, 0.0F);
        usable_[first + i] = usable(first + i) ? 1 : 0;
        if (usable_[first + i] == 0) continue;
        kernels_.quantize->row(x_ + (first + i) * k_, k_, group, code, scales);
        for (std::size_t p = 0; p < k_; ++p) {
          value[p] = static_cast<float>(at(code, bytes, p)) * scales[p / group].scale;
        }
      }
      for (std::size_t p = 0; p < k_; ++p) {
        for (std::size_t i = 0; i < count; ++i) to.columns.data()[p * rows_ + first + i] = values[i * k_ + p];
      }
      for (std::size_t p = 0; p < k_; p += kPanel) {
        float* const panel = to.panels.data() + (p / kPanel * rows_ + first) * kPanel;
        for (std::size_t i = 0; i < count; ++i) std::copy_n(values + i * k_ + p, kPanel, panel + i * kPanel);
      }
    });
    return to;
  }

  static int at(const std::byte* codes, std::size_t bytes, std::size_t index) {
    if (bytes == 1) return reinterpret_cast<const std::int8_t*>(codes)[index];
    std::int16_t code;
    std::memcpy(&code, codes + index * sizeof(code), sizeof(code));
    return code;
  }

  void take_means(const Coded& coded, InputStatistics& to) {
    std::fill_n(to.mean.data(), k_, 0.0);
    pool_.run((k_ + kSummedColumns - 1) / kSummedColumns, [&](std::size_t task, unsigned) {
      const std::size_t end = std::min(k_, (task + 1) * kSummedColumns);
      for (std::size_t row = 0; row < rows_; ++row) {
        if (usable_[row] == 0) continue;
        for (std::size_t p = task * kSummedColumns; p < end; ++p) {
          to.mean.data()[p] += static_cast<double>(x_[row * k_ + p]);
        }
      }
    });
    pool_.run(k_, [&](std::size_t p, unsigned) {
      const float* column = coded.columns.data() + p * rows_;
      double sum = 0;
      for (std::size_t row = 0; row < rows_; ++row) sum += static_cast<double>(column[row]);
      to.coded_mean.data()[p] = sum / static_cast<double>(rows_);
      to.mean.data()[p] /= static_cast<double>(rows_);
    });
  }

  // m[k, k] = sum of x' x'^T, of which only what is on the diagonal and below is of use.
  void multiply(const Coded& coded, float* m) {
    pool_.run(k_ / kPanel, [&](std::size_t panel, unsigned) {
      const std::size_t first = panel * kPanel;
      kernels::GemmArgs args;
      args.a = coded.columns.data() + first * rows_;
      args.lda = rows_;
      args.b = coded.panels.data() + first * rows_;
      args.b_panel_stride = rows_ * kPanel;
      args.c = m + first * k_ + first;
      args.ldc = k_;
      args.m = k_ - first;
      args.k = rows_;
      args.panels = 1;
      kernels_.gemm->f32(args);
    });
  }

  // The Cholesky factor of m, damped, in its place, a panel of columns after the other; and the feedback.
  void factor(float* m, float* feedback) {
    double trace = 0;
    for (std::size_t j = 0; j < k_; ++j) trace += static_cast<double>(m[j * k_ + j]);
    // Inputs that are all zero decide nothing: then M is the unit matrix, and nothing is fed back.
    damping_ = trace > 0 ? static_cast<float>(trace / static_cast<double>(k_)) * kDamping : 1.0F;
    for (std::size_t j = 0; j < k_; ++j) m[j * k_ + j] += damping_;
    const std::size_t tasks = (k_ + kRows - 1) / kRows;
    std::vector<float> products(pool_.size() * kRows * kPanel);
    for (std::size_t first = 0; first < k_; first += kPanel) {
      // Rows first .. first + 31 of L so far, transposed: the product's panel. It lies where the feedback of
      // these columns has nothing to say, in the rows above them.
      float* const panel = feedback + first * k_;
      for (std::size_t t = 0; t < first; ++t) {
        for (std::size_t c = 0; c < kPanel; ++c) panel[t * kPanel + c] = m[(first + c) * k_ + t];
      }
      take_earlier(m, panel, first, first, first + kPanel, products.data());
      factor_block(m + first * k_ + first);
      pool_.run(tasks, [&](std::size_t task, unsigned thread) {
        const std::size_t begin = std::max(first + kPanel, task * kRows);
        const std::size_t end = std::min(k_, (task + 1) * kRows);
        if (begin >= end) return;
        take_earlier(m, panel, first, begin, end, products.data() + thread * kRows * kPanel);
        for (std::size_t i = begin; i < end; ++i) solve_row(m + first * k_ + first, m + i * k_ + first);
      });
      for (std::size_t i = first; i < k_; ++i) {
        for (std::size_t c = 0; c < kPanel; ++c) {
          const std::size_t j = first + c;
          panel[i * kPanel + c] = i > j ? m[i * k_ + j] / m[j * k_ + j] : 0;
        }
      }
    }
  }

  // Rows begin .. end - 1, columns first .. first + 31 of m, less what the columns before have of them.
  void take_earlier(float* m, const float* panel, std::size_t first, std::size_t begin, std::size_t end,
                    float* products) const {
    if (first == 0) return;
    kernels::GemmArgs args;
    args.a = m + begin * k_;
    args.lda = k_;
    args.b = panel;
    args.b_panel_stride = first * kPanel;
    args.c = products;
    args.ldc = kPanel;
    args.m = end - begin;
    args.k = first;
    args.panels = 1;
    kernels_.gemm->f32(args);
    for (std::size_t i = begin; i < end; ++i) {
      for (std::size_t c = 0; c < kPanel; ++c) {
        m[i * k_ + first + c] -= products[(i - begin) * kPanel + c];
      }
    }
  }

  // The factor of a block of 32 by 32 on the diagonal.
  void factor_block(float* block) const {
    for (std::size_t j = 0; j < kPanel; ++j) {
      // No pivot of M is less than what was added to its diagonal, but for roundings.
      block[j * k_ + j] = std::sqrt(std::max(damping_, block[j * k_ + j]));
      for (std::size_t i = j + 1; i < kPanel; ++i) {
        float& to = block[i * k_ + j];
        to /= block[j * k_ + j];
        for (std::size_t c = j + 1; c <= i; ++c) block[i * k_ + c] -= to * block[c * k_ + j];
      }
    }
  }

  // row . L^-T of such a block, where row's 32 numbers are.
  void solve_row(const float* block, float* row) const {
    for (std::size_t j = 0; j < kPanel; ++j) {
      float sum = row[j];
      for (std::size_t t = 0; t < j; ++t) sum -= row[t] * block[j * k_ + t];
      row[j] = sum / block[j * k_ + j];
    }
  }

  const float* const x_;
  const std::size_t rows_, k_;
  const kernels::KernelTable& kernels_;
  base::ThreadPool& pool_;
  std::vector<char> usable_;  // [rows]: what code() has found
  float damping_ = 0;
};

}  // namespace

Result<InputStatistics> measure_inputs(const float* x, std::size_t rows, std::size_t k,
                                       const kernels::KernelTable& kernels, base::ThreadPool& pool) {
  return Measure(x, rows, k, kernels, pool).run();
}

}  // namespace gemvec::model
