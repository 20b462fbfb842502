// Every fp16 there is, and what lies between two of them, against conversions written from the definition.
#include "base/numbers.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "support/number_types.h"

namespace gemvec::base {
namespace {

TEST(Numbers, GivesBackEveryF16) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto word = static_cast<std::uint16_t>(bits);
    const float value = from_f16(word);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(from_f16(to_f16(value))));
      continue;
    }
    EXPECT_EQ(value, testing::from_f16(word));
    ASSERT_EQ(to_f16(value), word);
  }
}

TEST(Numbers, RoundsToTheNearestF16AndTiesToEven) {
  for (std::uint32_t bits = 0; bits < 0x7C00; ++bits) {
    const float low = from_f16(static_cast<std::uint16_t>(bits));
    const float high = bits == 0x7BFF ? 65536.0F : from_f16(static_cast<std::uint16_t>(bits + 1));
    const float middle = (low + high) / 2;  // exact: one bit more than fp16 has
    const float infinity = std::numeric_limits<float>::infinity();
    for (const float value : {std::nextafter(middle, 0.0F), middle, std::nextafter(middle, infinity)}) {
      ASSERT_EQ(to_f16(value), testing::to_f16(value)) << value;
      ASSERT_EQ(to_f16(-value), testing::to_f16(-value)) << -value;
    }
  }
}

TEST(Numbers, MakesWhatIsTooLargeInfinite) {
  EXPECT_EQ(to_f16(65519.99F), 0x7BFF);
  EXPECT_EQ(to_f16(65520.0F), 0x7C00);
  EXPECT_EQ(to_f16(-1e30F), 0xFC00);
  EXPECT_EQ(to_f16(std::numeric_limits<float>::infinity()), 0x7C00);
  EXPECT_EQ(to_f16(std::numeric_limits<float>::denorm_min()), 0);
}

TEST(Numbers, RoundsToBf16) {
  for (const float value : {1.0F, 1.00390625F, 1.01171875F, -3.14159274F, 1e-40F, 3e38F}) {
    EXPECT_EQ(to_bf16(value), testing::to_bf16(value)) << value;
    EXPECT_EQ(from_bf16(to_bf16(value)), testing::from_bf16(testing::to_bf16(value))) << value;
  }
}

TEST(Numbers, RoundsNoNanToANumber) {
  // The largest pattern would become -0, and the smallest infinity.
  for (const std::uint32_t bits : {0x7FFFFFFFU, 0xFFFFFFFFU, 0x7F800001U, 0xFF800001U, 0x7FC00000U})
    EXPECT_TRUE(std::isnan(from_bf16(to_bf16(std::bit_cast<float>(bits))))) << bits;
  EXPECT_EQ(to_bf16(std::numeric_limits<float>::infinity()), 0x7F80);
  EXPECT_EQ(to_bf16(-std::numeric_limits<float>::max()), 0xFF80);
}

}  // namespace
}  // namespace gemvec::base
