// Codes and scales: how far from the number they may be, and the ends of the range.
#include "convert/onnx_quantize.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "support/random.h"

namespace gemvec::convert {
namespace {

std::vector<float> numbers(std::size_t count, std::uint64_t seed, float size) {
  testing::Random random(seed);
  std::vector<float> x(count);
  for (float& value : x) {
    value = size * (static_cast<float>(random.next() >> 40) / static_cast<float>(1 << 23) - 1);
  }
  return x;
}

// Above one half, by a rounding of the quotient and one of the product: 2^-24 of up to 127 steps each.
constexpr float kHalfStep = 0.5F + 2e-5F;

TEST(Int8, IsWithinHalfAStep) {
  for (const float size : {1e-30F, 0.02F, 1.0F, 1e30F}) {
    const auto x = numbers(768, 1, size);
    std::vector<std::int8_t> codes(x.size());
    const float scale = quantize_int8(x.data(), x.size(), codes.data());
    int largest = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_LE(std::fabs(x[i] - static_cast<float>(codes[i]) * scale), kHalfStep * scale);
      largest = std::max(largest, std::abs(codes[i]));
    }
    EXPECT_EQ(largest, 127);
  }
}

TEST(Int8, ZerosAndSubnormalNumbersAreNoNans) {
  std::vector<float> x(32, 0.0F);
  std::vector<std::int8_t> codes(32, 1);
  EXPECT_EQ(quantize_int8(x.data(), x.size(), codes.data()), 0);
  for (const auto code : codes) EXPECT_EQ(code, 0);
  x[3] = -std::numeric_limits<float>::denorm_min();
  x[4] = 40 * std::numeric_limits<float>::denorm_min();
  const float scale = quantize_int8(x.data(), x.size(), codes.data());
  EXPECT_TRUE(std::isfinite(scale));
  for (const auto code : codes) EXPECT_LE(std::abs(code), 127);
}

int half(const std::vector<std::byte>& packed, std::size_t i) {
  return std::to_integer<int>(packed[i / 2]) >> 4 * (i % 2) & 15;
}

TEST(Int4, IsWithinHalfAStepButBeyondTheLastCode) {
  const auto x = numbers(2 * kInt4Block, 2, 0.1F);
  std::vector<std::byte> packed(kInt4Block);
  std::array<float, 2> scales{};
  quantize_int4(x.data(), x.size(), packed.data(), scales.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float scale = scales[i / kInt4Block];
    const float error = std::fabs(x[i] - static_cast<float>(half(packed, i) - 8) * scale);
    // The codes end at -8 and 7: on the side of 7 up to a whole step is cut off.
    EXPECT_LE(error, std::fabs(scale) * (x[i] / scale > 7 ? 1.0F : kHalfStep)) << i;
  }
}

TEST(Int4, MeetsTheLargestNumberExactlyWhateverItsSign) {
  for (const float extreme : {-0.8F, 0.8F}) {
    auto x = numbers(kInt4Block, 3, 0.5F);
    x[17] = extreme;
    std::vector<std::byte> packed(kInt4Block / 2);
    float scale = 0;
    quantize_int4(x.data(), x.size(), packed.data(), &scale);
    EXPECT_EQ(half(packed, 17), 0);
    EXPECT_EQ(-8 * scale, extreme);
  }
}

TEST(Int4, ZerosAreTheMiddleCode) {
  const std::vector<float> x(kInt4Block, 0.0F);
  std::vector<std::byte> packed(kInt4Block / 2);
  float scale = 1;
  quantize_int4(x.data(), x.size(), packed.data(), &scale);
  EXPECT_EQ(scale, 0);
  for (const std::byte pair : packed) EXPECT_EQ(pair, std::byte{0x88});
}

}  // namespace
}  // namespace gemvec::convert
