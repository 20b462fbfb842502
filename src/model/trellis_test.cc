// Numbers on a trellis: that no other halves would be nearer, and that none of it depends on the numbers'
// size.
#include "model/trellis.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/random.h"

namespace gemvec::model {
namespace {

using testing::Random;

struct Encoded {
  std::vector<std::uint8_t> halves, subs;
  float scale = 0;

  explicit Encoded(const std::vector<float>& x) : halves(x.size()), subs(x.size() / kTrellisGroup) {
    scale = encode_trellis(x.data(), x.size(), halves.data(), subs.data());
  }

  // The sum of squares of errors of the numbers from `first` on, 32 of them.
  [[nodiscard]] double error(const std::vector<float>& x, std::size_t first) const {
    double sum = 0;
    for (std::size_t i = first; i < first + kTrellisGroup; ++i) {
      const unsigned before = i == 0 ? 0 : halves[i - 1];
      const double number =
          trellis_level(before, halves[i]) * subs[i / kTrellisGroup] * static_cast<double>(scale);
      sum += (x[i] - number) * (x[i] - number);
    }
    return sum;
  }
};

std::vector<float> gaussian(std::size_t n, std::uint64_t seed, float scale = 1) {
  Random random(seed);
  std::vector<float> x(n);
  for (float& v : x) v = scale * random.gaussian();
  return x;
}

TEST(Trellis, HasLevelsThatAscendAndTheirMirrorImage) {
  for (unsigned half = 0; half < 16; ++half) {
    EXPECT_EQ(trellis_level(1, half), -trellis_level(0, 15 - half));
    EXPECT_EQ(trellis_level(2, half), trellis_level(0, half)) << "only the last bit counts";
    for (const unsigned before : {0U, 1U}) {
      if (half == 0) continue;
      EXPECT_GT(trellis_level(before, half), trellis_level(before, half - 1));
    }
  }
}

TEST(Trellis, StaysInTheRangeOfItsBytes) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Encoded encoded(gaussian(768, seed));
    for (const std::uint8_t half : encoded.halves) ASSERT_LE(half, 15);
    for (const std::uint8_t sub : encoded.subs) ASSERT_GE(sub, 1);
    EXPECT_GT(encoded.scale, 0);
  }
}

// One half changed: its own number gets another level, and the next one another book where parities differ.
// The last of a group is left to the search for the group alone, so it may be changed only to the same
// parity.
TEST(Trellis, FindsHalvesThatNoSingleChangeImproves) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const auto x = gaussian(128, seed);
    Encoded encoded(x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t group = i / kTrellisGroup * kTrellisGroup;
      const double least = encoded.error(x, group);
      const std::uint8_t found = encoded.halves[i];
      for (std::uint8_t other = 0; other < 16; ++other) {
        encoded.halves[i] = other;
        // Costs are summed in fp32, in steps: 32 roundings of a sum.
        ASSERT_GE(encoded.error(x, group), least * (1 - 64 * 0x1p-24))
            << seed << ", " << i << ", " << int{other};
      }
      encoded.halves[i] = found;
    }
  }
}

// Nor do two in a row, which may leave the number after them its book.
TEST(Trellis, FindsHalvesThatNoPairOfChangesImproves) {
  const auto x = gaussian(32, 7);
  Encoded encoded(x);
  const double least = encoded.error(x, 0);
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const std::uint8_t one = encoded.halves[i], two = encoded.halves[i + 1];
    for (unsigned other = 0; other < 256; ++other) {
      encoded.halves[i] = other % 16;
      encoded.halves[i + 1] = static_cast<std::uint8_t>(other / 16);
      ASSERT_GE(encoded.error(x, 0), least * (1 - 64 * 0x1p-24)) << i << ", " << other;
    }
    encoded.halves[i] = one, encoded.halves[i + 1] = two;
  }
}

// Powers of two change no bit of a quotient.
TEST(Trellis, DoesNotDependOnTheNumbersSize) {
  const Encoded one(gaussian(768, 3));
  for (const float scale : {0x1p-80F, 0x1p-20F, 0x1p60F}) {
    const Encoded other(gaussian(768, 3, scale));
    EXPECT_EQ(other.halves, one.halves);
    EXPECT_EQ(other.subs, one.subs);
    EXPECT_EQ(other.scale, one.scale * scale);
  }
}

// A group of zeros beside others, as rows that were pruned have it.
TEST(Trellis, HasZeroAmongItsLevels) {
  auto x = gaussian(96, 5);
  std::fill(x.begin() + 32, x.begin() + 64, 0.0F);
  const Encoded encoded(x);
  EXPECT_EQ(encoded.error(x, 32), 0);
  EXPECT_EQ(Encoded(std::vector<float>(64, 0.0F)).scale, 0);
}

}  // namespace
}  // namespace gemvec::model
