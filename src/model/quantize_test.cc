// Weights to codes, one column at a time: errors against the input in double precision.
#include "model/quantize.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <string>
#include <tuple>
#include <vector>

#include "support/random.h"

namespace gemvec::model {
namespace {

using testing::Random;

constexpr std::size_t kStep = 32;  // numbers that share a step of int4

enum class Kind { kInt8, kInt6, kInt4 };

// The Hadamard matrix of the group's size times x, by its definition.
std::vector<double> hadamard(const std::vector<double>& x, std::size_t group) {
  std::vector<double> y(x.size(), 0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t first = i / group * group;
    for (std::size_t j = 0; j < group; ++j) {
      const bool negative = std::popcount((i - first) & j) % 2 != 0;
      y[i] += negative ? -x[first + j] : x[first + j];
    }
  }
  return y;
}

// A column's codes as numbers: [k] code * scale, still rotated.
struct Column {
  std::vector<int> codes;
  std::vector<double> values;
  std::vector<float> scales;
};

Column quantize(Kind kind, std::vector<float> w, std::size_t group) {
  const std::size_t k = w.size();
  Column out{std::vector<int>(k), std::vector<double>(k), std::vector<float>(k / group)};
  std::vector<std::uint8_t> codes(k), steps(k / kStep);
  switch (kind) {
    case Kind::kInt8:
      quantize_int8(w.data(), k, group, reinterpret_cast<std::int8_t*>(codes.data()), out.scales.data());
      break;
    case Kind::kInt6:
      quantize_int6(w.data(), k, group, codes.data(), out.scales.data());
      break;
    case Kind::kInt4:
      quantize_int4(w.data(), k, group, codes.data(), steps.data(), out.scales.data());
      break;
  }
  for (std::size_t i = 0; i < k; ++i) {
    const int sub = steps[i / kStep] & 15, zero = steps[i / kStep] >> 4;
    out.codes[i] = kind == Kind::kInt8   ? static_cast<std::int8_t>(codes[i])
                   : kind == Kind::kInt6 ? codes[i] - 32
                                         : (codes[i] - zero) * sub;
    out.values[i] = out.codes[i] * static_cast<double>(out.scales[i / group]);
    if (kind == Kind::kInt4) {
      EXPECT_LE(codes[i], 15);
      EXPECT_GE(sub, 1);
      EXPECT_TRUE(zero == 7 || zero == 8) << zero;
    }
  }
  return out;
}

std::vector<float> gaussian(std::size_t k, double scale, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> w(k);
  for (float& x : w) x = static_cast<float>(random.gaussian() * scale);
  return w;
}

std::vector<double> rotated(const std::vector<float>& w, std::size_t group) {
  std::vector<double> y = hadamard({w.begin(), w.end()}, group);
  for (double& x : y) x /= static_cast<double>(group);
  return y;
}

double highest(const std::vector<double>& x, std::size_t first, std::size_t count) {
  double top = 0;
  for (std::size_t i = first; i < first + count; ++i) top = std::max(top, std::abs(x[i]));
  return top;
}

// Sum of squares of a group's errors on the plain grid, the one that a largest magnitude alone decides:
//   int8, int6: steps of top / 127 and top / 31
//   int4: S = top / 120, and for each 32 numbers steps of S * round(their top / 8 / S), -8 .. 7 of them
double plain_error(Kind kind, const std::vector<double>& y, std::size_t first, std::size_t group) {
  double error = 0;
  const double top = highest(y, first, group);
  for (std::size_t i = first; i < first + group; ++i) {
    double step = top / (kind == Kind::kInt8 ? 127 : 31), low = -127, high = 127;
    if (kind == Kind::kInt4) {
      const double sub = std::nearbyint(highest(y, i / kStep * kStep, kStep) * 15 / top);
      step = top / 120 * std::max(1.0, sub), low = -8, high = 7;
    }
    const double code = std::min(std::max(std::nearbyint(y[i] / step), low), high);
    error += (y[i] - code * step) * (y[i] - code * step);
  }
  return error;
}

// What a plain grid's error can be at most, for one number of a group with this top. int8 and int6: half a
// step. int4: a step is within S / 2 of (top of the 32) / 8, so that 7 steps end at most top / 8 + 3.5 S
// below the top of the 32; with S = top / 120 that is 0.155 top, and half a step is less.
double plain_bound(Kind kind, double top) {
  return kind == Kind::kInt8 ? top / 254 : kind == Kind::kInt6 ? top / 62 : top * (1.0 / 8 + 3.5 / 120);
}

class QuantizeWeights : public ::testing::TestWithParam<std::tuple<Kind, std::size_t>> {
 protected:
  [[nodiscard]] Kind kind() const { return std::get<0>(GetParam()); }
  [[nodiscard]] std::size_t group() const { return std::get<1>(GetParam()); }

  // The codes, rotated back, against w. The rotation is sqrt(group) times an orthogonal matrix, so lengths
  // are compared, group by group: at most sqrt(group) * sqrt(group) plain bounds. fp32: log2(group) additions
  // and three roundings of numbers that are at most the sum of |w|.
  void expect_near(const std::vector<float>& w) const {
    const Column column = quantize(kind(), w, group());
    const std::vector<double> back = hadamard(column.values, group());
    const std::vector<double> y = rotated(w, group());
    for (std::size_t first = 0; first < w.size(); first += group()) {
      double squares = 0, magnitude = 0;
      for (std::size_t i = first; i < first + group(); ++i) {
        squares += (back[i] - w[i]) * (back[i] - w[i]);
        magnitude += std::abs(w[i]);
      }
      const double top = highest(y, first, group());
      const double size = static_cast<double>(group());
      ASSERT_LE(std::sqrt(squares),
                size * plain_bound(kind(), top) + 10 * 0x1p-24 * magnitude * std::sqrt(size))
          << "group at " << first;
    }
  }
};

TEST_P(QuantizeWeights, GivesBackTheWeightsToTheGridsError) {
  for (const double scale : {1e-6, 0.03, 1.0, 1e4}) expect_near(gaussian(768, scale, group()));
}

// The column's energy is in one number: rotated, all have the same magnitude.
TEST_P(QuantizeWeights, BearsOneHugeOutlier) {
  for (const std::size_t place : {0U, 31U, 77U, 383U}) {
    auto w = gaussian(384, 1e-3, place + 1);
    w[place] = 1000;
    expect_near(w);
    w[place] = -1000;
    expect_near(w);
  }
}

// One group's numbers do not reach into another's codes.
TEST_P(QuantizeWeights, KeepsGroupsApart) {
  const auto w = gaussian(384, 1, 5);
  auto other = w;
  for (std::size_t i = group(); i < 2 * group(); ++i) other[i] *= 100;
  const Column a = quantize(kind(), w, group()), b = quantize(kind(), other, group());
  for (std::size_t i = 0; i < w.size(); ++i) {
    if (i / group() != 1) {
      ASSERT_EQ(a.codes[i], b.codes[i]) << i;
    }
  }
  for (std::size_t g = 0; g < a.scales.size(); ++g) EXPECT_EQ(a.scales[g] == b.scales[g], g != 1) << g;
}

// int8 is one grid: every code is the nearest of it, up to fp32's roundings of the rotation and the scale.
TEST_P(QuantizeWeights, RoundsEveryInt8CodeToTheNearest) {
  if (kind() != Kind::kInt8) return;
  const auto w = gaussian(768, 0.05, 3);
  const Column column = quantize(kind(), w, group());
  const std::vector<double> y = rotated(w, group());
  for (std::size_t i = 0; i < w.size(); ++i) {
    double magnitude = 0;
    for (std::size_t j = i / group() * group(); j < (i / group() + 1) * group(); ++j)
      magnitude += std::abs(w[j]);
    const double rounding = 10 * 0x1p-24 * (magnitude / static_cast<double>(group()) + std::abs(y[i]));
    ASSERT_NEAR(column.values[i], y[i], 0.5 * column.scales[i / group()] + rounding) << i;
  }
}

// The plain grid is among those that are tried. What is tried are the numbers as fp32 rotated them: each is
// off by up to log2(group) + 3 roundings of the mean of |w|, and so is the length of all errors of a group,
// for both grids. Sums of squares are taken in fp32 too: 2^-24 for each of `group` additions, twice, and as
// much for the squares.
TEST_P(QuantizeWeights, IsNeverWorseThanThePlainGrid) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    auto w = gaussian(768, 0.03, seed + 100);
    if (seed % 3 == 1) w[seed] *= 30;
    if (seed % 3 == 2) {
      for (std::size_t i = 0; i < w.size(); i += 2) w[i] *= 8;
    }
    const Column column = quantize(kind(), w, group());
    const std::vector<double> y = rotated(w, group());
    const auto size = static_cast<double>(group());
    for (std::size_t first = 0; first < w.size(); first += group()) {
      double error = 0, magnitude = 0;
      for (std::size_t i = first; i < first + group(); ++i) {
        error += (column.values[i] - y[i]) * (column.values[i] - y[i]);
        magnitude += std::abs(w[i]);
      }
      const double plain = std::sqrt(plain_error(kind(), y, first, group()));
      const double rotation = std::sqrt(size) * 10 * 0x1p-24 * magnitude / size;
      ASSERT_LE(std::sqrt(error), plain * (1 + 4 * size * 0x1p-24) + 2 * rotation)
          << "seed " << seed << ", group at " << first;
    }
  }
}

TEST_P(QuantizeWeights, KeepsCodesInTheirRange) {
  const int limit = kind() == Kind::kInt8 ? 127 : kind() == Kind::kInt6 ? 31 : 120;
  int top = 0;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    auto w = gaussian(768, seed % 2 == 0 ? 1e-5 : 1e5, seed);
    if (seed % 5 == 0) std::fill(w.begin(), w.end(), 1.0F);  // rotated: one number, and zeros
    for (const int code : quantize(kind(), w, group()).codes) {
      ASSERT_LE(std::abs(code), limit);
      top = std::max(top, std::abs(code));
    }
  }
  EXPECT_GE(top, limit * 7 / 8) << "most of the range is never used";
}

TEST_P(QuantizeWeights, MakesZerosOfZeros) {
  for (const float value : {0.0F, -0.0F}) {
    const Column column = quantize(kind(), std::vector<float>(256, value), group());
    for (const int code : column.codes) ASSERT_EQ(code, 0);
    for (const float scale : column.scales) ASSERT_EQ(scale, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(All, QuantizeWeights,
                         ::testing::Combine(::testing::Values(Kind::kInt8, Kind::kInt6, Kind::kInt4),
                                            ::testing::Values(32, 64, 128)),
                         [](const auto& info) {
                           const Kind kind = std::get<0>(info.param);
                           return std::string(kind == Kind::kInt8   ? "Int8"
                                              : kind == Kind::kInt6 ? "Int6"
                                                                    : "Int4") +
                                  "By" + std::to_string(std::get<1>(info.param));
                         });

}  // namespace
}  // namespace gemvec::model
