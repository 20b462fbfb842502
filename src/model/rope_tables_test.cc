// The rotary tables against the C library's cosines and sines in double precision.
#include "model/rope_tables.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace gemvec::model {
namespace {

// The kept number is rounded once to fp32, and the angle's rotation in double precision may be off by far
// less than 1e-12: 64 steps of 2^-53, and the angle itself, below 2^11, by 2^-53 of it.
void expect_near(float found, double expected, std::size_t position, std::size_t i) {
  ASSERT_NEAR(found, expected, std::abs(expected) * 0x1p-24 + 1e-12) << "position " << position << ", " << i;
}

void check(const Config& config, const RopeTable& table, double theta) {
  const std::size_t half = config.head_dim / 2;
  for (std::size_t position = 0; position < config.max_tokens; ++position) {
    for (std::size_t i = 0; i < half; ++i) {
      const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim);
      const double angle = static_cast<double>(position) * std::pow(theta, exponent);
      expect_near(table.cos[position * half + i], std::cos(angle), position, i);
      expect_near(table.sin[position * half + i], std::sin(angle), position, i);
    }
  }
}

TEST(RopeTables, AreExactToOneRoundingAtEveryPosition) {
  base::ThreadPool pool(2);
  const Config config;  // the release's
  const auto tables = RopeTables::create(config, pool);
  ASSERT_TRUE(tables.ok());
  check(config, tables->full, config.rope_theta_full);
  check(config, tables->sliding, config.rope_theta_sliding);
}

// 100 positions are not a multiple of what one task fills.
TEST(RopeTables, FillTheLastPositionsOfAnyLength) {
  base::ThreadPool pool(1);
  Config config;
  config.head_dim = 32;
  for (const std::size_t tokens : {1U, 63U, 64U, 65U, 100U}) {
    config.max_tokens = tokens;
    const auto tables = RopeTables::create(config, pool);
    ASSERT_TRUE(tables.ok());
    check(config, tables->full, config.rope_theta_full);
    check(config, tables->sliding, config.rope_theta_sliding);
  }
}

TEST(RopeTables, HaveTheSameBitsWithAnyNumberOfThreads) {
  const Config config;
  const std::size_t bytes = config.max_tokens * config.head_dim / 2 * sizeof(float);
  base::ThreadPool alone(1);
  const auto expected = RopeTables::create(config, alone);
  ASSERT_TRUE(expected.ok());
  for (const unsigned threads : {2U, 3U, 7U}) {
    base::ThreadPool pool(threads);
    const auto found = RopeTables::create(config, pool);
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(0, std::memcmp(expected->full.cos, found->full.cos, bytes));
    EXPECT_EQ(0, std::memcmp(expected->full.sin, found->full.sin, bytes));
    EXPECT_EQ(0, std::memcmp(expected->sliding.cos, found->sliding.cos, bytes));
    EXPECT_EQ(0, std::memcmp(expected->sliding.sin, found->sliding.sin, bytes));
  }
}

TEST(RopeTables, StayWhereTheyAreWhenMoved) {
  base::ThreadPool pool(1);
  const Config config;
  auto tables = RopeTables::create(config, pool);
  ASSERT_TRUE(tables.ok());
  const float* const cos = tables->full.cos;
  const RopeTables moved = std::move(tables).value();
  EXPECT_EQ(moved.full.cos, cos);
  EXPECT_EQ(cos[0], 1.0F);
}

}  // namespace
}  // namespace gemvec::model
