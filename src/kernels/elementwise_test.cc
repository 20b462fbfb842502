// Row-wise kernels of the selected instruction set against double precision.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "support/kernel_test.h"

namespace gemvec::kernels {
namespace {

using testing::Random;
using testing::selected_kernels;

constexpr double kEpsilon = 0x1p-23;  // distance from 1 to the next fp32: one rounding errs by half of it

std::vector<float> gaussians(std::size_t n, double scale, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(n);
  for (float& x : values) x = static_cast<float>(random.gaussian() * scale);
  return values;
}

// The residual stream spans 1e-4 (rms of down_proj's output, below sqrt(eps)) to 1e5.
class Norm : public ::testing::TestWithParam<double> {};

TEST_P(Norm, MatchesDoublePrecision) {
  constexpr float kEps = 1e-6F;
  for (const std::size_t n : {32U, 256U, 768U}) {
    const auto x = gaussians(n, GetParam(), n);
    const auto scale = gaussians(n, 1, n + 1);
    std::vector<float> y(n);
    selected_kernels().norm->norm(x.data(), scale.data(), n, kEps, y.data());
    double squares = 0;
    for (const float v : x) squares += static_cast<double>(v) * v;
    const double inverse = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-6F);
    for (std::size_t i = 0; i < n; ++i) {
      const double expected = x[i] * inverse * scale[i];
      // A sum of n positive terms in chains of n / (4 lanes) additions, their joining, and 5 roundings after
      // it.
      const double lanes = selected_kernels().isa == cpu::Isa::kScalar ? 1 : 8;
      const double steps = static_cast<double>(n) / (4 * lanes) + 10;
      ASSERT_NEAR(y[i], expected, steps * kEpsilon * std::abs(expected)) << "element " << i << " of " << n;
    }
  }
}

TEST_P(Norm, AddsTheNormedBranchToTheResidual) {
  constexpr std::size_t kN = 768;
  const auto branch = gaussians(kN, GetParam(), 3);
  const auto scale = gaussians(kN, 1, 4);
  const auto before = gaussians(kN, 100, 5);
  std::vector<float> normed(kN);
  selected_kernels().norm->norm(branch.data(), scale.data(), kN, 1e-6F, normed.data());
  auto x = before;
  selected_kernels().norm->add_norm(branch.data(), scale.data(), kN, 1e-6F, x.data());
  for (std::size_t i = 0; i < kN; ++i) ASSERT_EQ(x[i], before[i] + normed[i]);
}

TEST_P(Norm, TakesTheNextNormInTheSamePass) {
  constexpr std::size_t kN = 768;
  const auto branch = gaussians(kN, GetParam(), 3);
  const auto scale = gaussians(kN, 1, 4);
  const auto next_scale = gaussians(kN, 1, 6);
  auto expected = gaussians(kN, 100, 5);
  auto x = expected;
  std::vector<float> expected_norm(kN), norm(kN);
  const NormKernels& kernels = *selected_kernels().norm;
  kernels.add_norm(branch.data(), scale.data(), kN, 1e-6F, expected.data());
  kernels.norm(expected.data(), next_scale.data(), kN, 1e-6F, expected_norm.data());
  kernels.add_norm_norm(branch.data(), scale.data(), kN, 1e-6F, x.data(), next_scale.data(), norm.data());
  EXPECT_EQ(x, expected);
  EXPECT_EQ(norm, expected_norm);
}

INSTANTIATE_TEST_SUITE_P(Magnitudes, Norm, ::testing::Values(1e-4, 1.0, 1e5));

TEST(Norm, EpsIsAWorkingConstant) {
  // Mean square 1e-7, a tenth of eps: without eps the result would be 3.3 times as large.
  const std::vector<float> x(32, std::sqrt(1e-7F));
  const std::vector<float> ones(32, 1.0F);
  std::vector<float> y(32);
  selected_kernels().norm->norm(x.data(), ones.data(), 32, 1e-6F, y.data());
  EXPECT_NEAR(y[0], std::sqrt(1e-7 / 1.1e-6), 1e-6);
}

TEST(Rope, TurnsPairsHalfAHeadApart) {
  // Element 0 is paired with n / 2, not with 1: a quarter turn takes (1, 0) to (0, 1).
  std::vector<float> x(32, 0.0F);
  x[0] = 1;
  std::vector<float> cos(16, 1.0F);
  std::vector<float> sin(16, 0.0F);
  cos[0] = 0;
  sin[0] = 1;
  selected_kernels().rope->rotate(x.data(), cos.data(), sin.data(), 32, x.data());
  for (std::size_t i = 0; i < 32; ++i) EXPECT_EQ(x[i], i == 16 ? 1.0F : 0.0F) << i;
}

TEST(Rope, MatchesDoublePrecision) {
  const auto x = gaussians(256, 5, 7);
  std::vector<float> cos(128);
  std::vector<float> sin(128);
  for (std::size_t i = 0; i < 128; ++i) {
    cos[i] = static_cast<float>(std::cos(0.37 * static_cast<double>(i)));
    sin[i] = static_cast<float>(std::sin(0.37 * static_cast<double>(i)));
  }
  std::vector<float> y(256);
  selected_kernels().rope->rotate(x.data(), cos.data(), sin.data(), 256, y.data());
  for (std::size_t i = 0; i < 128; ++i) {
    const double a = x[i];
    const double b = x[128 + i];
    const double bound = 2 * kEpsilon * (std::abs(a) + std::abs(b));  // two products and a sum
    ASSERT_NEAR(y[i], a * cos[i] - b * sin[i], bound);
    ASSERT_NEAR(y[128 + i], b * cos[i] + a * sin[i], bound);
  }
}

TEST(Geglu, IsTheTanhFormOfGelu) {
  constexpr std::size_t kN = 1152;
  auto gate = gaussians(kN, 3, 11);
  const auto up = gaussians(kN, 1, 12);
  // The ends of the range, where e^-2u overflows or vanishes.
  gate[0] = 0;
  gate[1] = -50;
  gate[2] = 50;
  gate[3] = 1e4F;
  gate[4] = -1e4F;
  gate[5] = -9.5F;
  std::vector<float> y(kN);
  selected_kernels().geglu->geglu(gate.data(), up.data(), kN, y.data());
  for (std::size_t i = 0; i < kN; ++i) {
    const double x = gate[i];
    const double u = 0.7978845608028654 * (x + 0.044715 * x * x * x);
    const double expected = 0.5 * x * (1 + std::tanh(u)) * up[i];
    // Relative 1e-6 of |x up|: e^-2u has the relative error of its argument, 2 |u| epsilon, and matters where
    // |u| < 9.
    ASSERT_NEAR(y[i], expected, 1e-6 * std::abs(x * up[i]) + 1e-30) << "x " << x;
  }
  // The erf form is 1e-4 away at x = 2: a mistake that cosines hide.
  const std::vector<float> two(32, 2.0F);
  const std::vector<float> one(32, 1.0F);
  selected_kernels().geglu->geglu(two.data(), one.data(), 32, y.data());
  EXPECT_NEAR(y[0], 1.9545977, 1e-6);
  EXPECT_GT(std::abs(y[0] - (1 + std::erf(2 / std::sqrt(2.0)))), 5e-5);
}

TEST(Convert, RoundsToNearestBf16TiesToEven) {
  auto from_bits = [](std::uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof(x));
    return x;
  };
  std::vector<float> x(32, 0.0F);
  x[0] = from_bits(0x3F808000);  // half-way, even below: down
  x[1] = from_bits(0x3F818000);  // half-way, odd below: up
  x[2] = from_bits(0x3F808001);  // above half-way: up
  x[3] = from_bits(0x3F807FFF);  // below half-way: down
  x[4] = -1.0F;
  x[5] = 134217.0F;              // beyond fp16's range
  x[6] = from_bits(0x3FFFFFFF);  // carries into the exponent
  std::vector<std::uint16_t> y(32);
  selected_kernels().convert->to_bf16(x.data(), 32, y.data());
  EXPECT_EQ(y[0], 0x3F80);
  EXPECT_EQ(y[1], 0x3F82);
  EXPECT_EQ(y[2], 0x3F81);
  EXPECT_EQ(y[3], 0x3F80);
  EXPECT_EQ(y[4], 0xBF80);
  EXPECT_EQ(y[5], 0x4803);
  EXPECT_EQ(y[6], 0x4000);
}

TEST(Pool, AddsAndScalesRows) {
  std::vector<float> sum(32, 1.0F);
  const std::vector<float> x(32, 2.5F);
  selected_kernels().pool->add(x.data(), 32, sum.data());
  for (const float v : sum) EXPECT_EQ(v, 3.5F);
  selected_kernels().pool->scale(sum.data(), 32, 0.5F);
  for (const float v : sum) EXPECT_EQ(v, 1.75F);
}

TEST(Isa, TheForcedOneIsTheOneThatRuns) {
  const char* forced = std::getenv("GEMVEC_ISA");
  if (forced == nullptr) GTEST_SKIP() << "GEMVEC_ISA is not set";
  EXPECT_EQ(cpu::name_of(selected_kernels().isa), forced);
}

}  // namespace
}  // namespace gemvec::kernels
