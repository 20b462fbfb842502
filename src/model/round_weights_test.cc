// Weights rounded with regard to inputs, against nearest codes and double precision.
#include "model/round_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/aligned.h"
#include "kernels/gemm_int8/gemm_int8.h"
#include "support/kernel_test.h"

namespace gemvec::model {
namespace {

using kernels::kPanel;
using testing::Random;

constexpr std::size_t kInputs = 256, kGroup = 128, kRows = 400;  // two groups of 128, eight blocks of columns

class RoundWeights : public ::testing::TestWithParam<Encoding> {
 protected:
  RoundWeights() : weights_(kPanel * kInputs) {
    Random random(3);
    for (float& w : weights_) w = random.gaussian();
    tensor_.type = RawType::kF32;
    tensor_.rows = kPanel;
    tensor_.cols = kInputs;
    tensor_.data = reinterpret_cast<const std::byte*>(weights_.data());
    layer_ = {nullptr, GetParam(), kPanel, kInputs};
  }

  // Inputs that have a mean and a few directions in common. They are on the grid of their codes: whole
  // numbers whose Hadamard transform has a largest one of 127 in each group, so that all error is the
  // weights'.
  static std::vector<float> inputs() {
    Random random(4);
    constexpr std::size_t kDirections = 8;
    std::vector<float> directions(kDirections * kInputs), x(kRows * kInputs);
    for (float& d : directions) d = random.gaussian();
    for (std::size_t i = 0; i < kRows; ++i) {
      for (std::size_t d = 0; d < kDirections; ++d) {
        const float along = random.gaussian() + (d == 0 ? 3.0F : 0.0F);
        for (std::size_t p = 0; p < kInputs; ++p) x[i * kInputs + p] += along * directions[d * kInputs + p];
      }
      for (std::size_t p = 0; p < kInputs; ++p) x[i * kInputs + p] += 0.3F * random.gaussian();
      for (std::size_t g = 0; g < kInputs; g += kGroup) to_codes(&x[i * kInputs + g]);
    }
    return x;
  }

  // A group, rotated, becomes codes of -127..127, of which one is 127; and is rotated back.
  static void to_codes(float* x) {
    rotate(x);
    float top = 0;
    for (std::size_t i = 0; i < kGroup; ++i) top = std::max(top, std::abs(x[i]));
    for (std::size_t i = 0; i < kGroup; ++i) x[i] = std::nearbyint(x[i] * 127 / top);
    rotate(x);
    for (std::size_t i = 0; i < kGroup; ++i) x[i] /= kGroup;  // a power of two: exact
  }
  static void rotate(float* x) {
    for (std::size_t stride = 1; stride < kGroup; stride *= 2) {
      for (std::size_t i = 0; i < kGroup; ++i) {
        if ((i & stride) != 0) continue;
        const float a = x[i], b = x[i + stride];
        x[i] = a + b;
        x[i + stride] = a - b;
      }
    }
  }

  static InputStatistics measure(const std::vector<float>& x) {
    base::ThreadPool pool(2);
    return std::move(*measure_inputs(x.data(), kRows, kInputs, testing::selected_kernels(), pool));
  }

  using Panel = base::AlignedBuffer<std::byte>;
  [[nodiscard]] Panel nearest() const {
    Panel panel = std::move(*Panel::create(layer_.panel_bytes()));
    std::memset(panel.data(), 0, panel.size());
    Column column(kInputs);
    for (std::size_t j = 0; j < kPanel; ++j) {
      std::memcpy(column.numbers.data(), weights_.data() + j * kInputs, kInputs * sizeof(float));
      quantize_column(layer_.encoding, false, kInputs, column);
      place_column(layer_.encoding, column, kInputs, j, panel.data());
    }
    return panel;
  }
  [[nodiscard]] Panel regarding(const InputStatistics& statistics) const {
    Panel panel = std::move(*Panel::create(layer_.panel_bytes()));
    std::memset(panel.data(), 0, panel.size());
    const RawTensor* const parts[] = {&tensor_};
    PanelRounding(kInputs).round({parts}, false, layer_, 0, statistics, *testing::selected_kernels().gemm,
                                 panel.data());
    return panel;
  }

  // Outputs less the exact ones, [rows, 32].
  [[nodiscard]] std::vector<double> errors(const Panel& panel, const std::vector<float>& x) const {
    const kernels::KernelTable& kernels = testing::selected_kernels();
    const std::size_t bytes = kernels.gemm_int8->code_bytes, group = group_of(kInputs);
    std::vector<std::byte> codes(x.size() * bytes);
    std::vector<kernels::RowGroup> groups(x.size() / group);
    for (std::size_t i = 0; i < kRows; ++i) {
      kernels.quantize->row(x.data() + i * kInputs, kInputs, group, codes.data() + i * kInputs * bytes,
                            groups.data() + i * kInputs / group);
    }
    auto scratch = std::move(*Panel::create(kernels::gemm_int8_scratch_bytes(kInputs)));
    std::vector<float> c(kRows * kPanel);
    kernels::GemmInt8Args args;
    args.a = codes.data();
    args.lda = args.k = kInputs;
    args.a_groups = groups.data();
    args.ldg = kInputs / group;
    args.group = group;
    args.b = panel.data();
    args.c = c.data();
    args.ldc = kPanel;
    args.m = kRows;
    args.panels = 1;
    args.scratch = scratch.data();
    int8_kernel(*kernels.gemm_int8, layer_.encoding)(args);
    std::vector<double> out(c.size());
    for (std::size_t n = 0; n < c.size(); ++n) {
      const float* row = x.data() + n / kPanel * kInputs;
      double exact = 0;
      for (std::size_t p = 0; p < kInputs; ++p)
        exact += static_cast<double>(row[p]) * weights_[n % kPanel * kInputs + p];
      out[n] = c[n] - exact;
    }
    return out;
  }

  std::vector<float> weights_;  // [32, inputs]
  RawTensor tensor_;
  PackedLinear layer_;
};

double square_of(const std::vector<double>& errors) {
  double sum = 0;
  for (const double e : errors) sum += e * e;
  return sum / static_cast<double>(errors.size());
}

// Inputs of which nothing is known: then each weight has the nearest code.
TEST_P(RoundWeights, IsTheNearestCodeWhereNothingIsFedBack) {
  const Panel expected = nearest();
  const Panel found = regarding(measure(std::vector<float>(kRows * kInputs, 0.0F)));
  EXPECT_EQ(0, std::memcmp(expected.data(), found.data(), expected.size()));
}

// Eight directions of 256 hold nearly all there is of these inputs, and rounding has 256 numbers to choose:
// what is left is a small part. Nearest codes, without a bias, are what it is compared with.
TEST_P(RoundWeights, LosesLessOnTheInputsThatItRegards) {
  const std::vector<float> x = inputs();
  const double near = square_of(errors(nearest(), x)), found = square_of(errors(regarding(measure(x)), x));
  EXPECT_LT(found, near / 2);
  std::printf("mean square error: %.3g nearest, %.3g with regard to inputs\n", near, found);
}

TEST_P(RoundWeights, LeavesNothingOfTheMean) {
  const std::vector<float> x = inputs();
  const std::vector<double> found = errors(regarding(measure(x)), x);
  const double typical = std::sqrt(square_of(found));
  for (std::size_t j = 0; j < kPanel; ++j) {
    double mean = 0;
    for (std::size_t i = 0; i < kRows; ++i) mean += found[i * kPanel + j] / static_cast<double>(kRows);
    // Outputs are some hundreds in size and have fp32's roundings: far below the error of one of them.
    EXPECT_LT(std::abs(mean), 0.01 * typical);
  }
}

INSTANTIATE_TEST_SUITE_P(All, RoundWeights, ::testing::Values(Encoding::kInt8, Encoding::kInt6),
                         [](const auto& info) { return info.param == Encoding::kInt8 ? "Int8" : "Int6"; });

}  // namespace
}  // namespace gemvec::model
