// Rows of the packed embedding table: what they give back, and that damage shows.
#include "model/embedding_row.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "support/random.h"

namespace gemvec::model {
namespace {

using testing::Random;

constexpr std::byte kUntouched{0xA5};

std::vector<float> numbers(std::size_t width, std::uint64_t seed, double scale = 0.05) {
  Random random(seed);
  std::vector<float> x(width);
  for (float& v : x) v = static_cast<float>(random.gaussian() * scale);
  return x;
}

float highest_of(const std::vector<float>& x) {
  float top = 0;
  for (const float v : x) top = std::max(top, std::abs(v));
  return top;
}

std::vector<std::byte> pack(RowEncoding encoding, const std::vector<float>& x) {
  std::vector<std::byte> row(row_bytes(encoding, x.size()));
  pack_row(encoding, x.data(), x.size(), row.data());
  return row;
}

std::vector<float> unpack(RowEncoding encoding, const std::vector<std::byte>& row, std::size_t width) {
  std::vector<float> out(width, NAN);
  EXPECT_TRUE(unpack_row(encoding, row.data(), width, out.data()));
  return out;
}

std::vector<float> there_and_back(RowEncoding encoding, const std::vector<float>& x) {
  return unpack(encoding, pack(encoding, x), x.size());
}

// Of errors, as a part of the numbers' own squares.
double squares(const std::vector<float>& found, const std::vector<float>& x) {
  double errors = 0, own = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    errors += (static_cast<double>(found[i]) - x[i]) * (static_cast<double>(found[i]) - x[i]);
    own += static_cast<double>(x[i]) * x[i];
  }
  return errors / own;
}

// The square root of the mean square of errors, as a part of the largest number, can be at most this; all of
// it up to some roundings of fp32.
//   bf16: half a unit in the last place of the largest.
//   int6: half a step, a 31st of the largest, where nothing is cut; a sub that is off by a half makes 31
//   steps end up to 1 / 510 too low. int4: a step of 1.03 / 120 of the largest is among those that are tried.
//   Numbers are then within 116.5 steps of 0, and none of them further than 20.5 from a level of either book;
//   a sub that is off by a half moves the outermost level by 1.35 / 510. channel4: half a step, a 7th of the
//   largest.
double bound(RowEncoding encoding) {
  return encoding == RowEncoding::kBf16   ? 0x1p-8
         : encoding == RowEncoding::kInt6 ? 1.0 / 62 + 1.0 / 510
         : encoding == RowEncoding::kInt4 ? 20.5 * 1.03 / 120 + 1.35 / 510
                                          : 1.0 / 14;
}

class EmbeddingRow : public ::testing::TestWithParam<RowEncoding> {};

// Numbers or codes, subs for every 32 of them, a scale if there are codes, and a check.
TEST_P(EmbeddingRow, HasTheSizeThatTheFormatSays) {
  for (const std::size_t width : {32U, 64U, 768U}) {
    const std::size_t expected = GetParam() == RowEncoding::kBf16   ? 2 * width + 4
                                 : GetParam() == RowEncoding::kInt6 ? width / 4 * 3 + width / 32 + 8
                                 : GetParam() == RowEncoding::kInt4 ? width / 2 + width / 32 + 8
                                                                    : width / 2 + 8;
    EXPECT_EQ(row_bytes(GetParam(), width), expected);
  }
}

TEST_P(EmbeddingRow, GivesBackTheNumbersToTheGridsError) {
  for (const std::size_t width : {32U, 64U, 768U}) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      auto x = numbers(width, seed, seed % 2 == 0 ? 0.05 : 100);
      if (seed % 4 == 3) x[seed] *= 50;
      const std::vector<float> found = there_and_back(GetParam(), x);
      double errors = 0;
      for (std::size_t i = 0; i < width; ++i) {
        const double error = static_cast<double>(found[i]) - x[i];
        errors += error * error;
        if (GetParam() == RowEncoding::kBf16) {
          ASSERT_LE(std::abs(error), std::abs(x[i]) * 0x1p-8) << i;
        }
      }
      ASSERT_LE(std::sqrt(errors / static_cast<double>(width)),
                highest_of(x) * (bound(GetParam()) + 4 * 0x1p-24))
          << seed;
    }
  }
}

// On numbers as trained rows have them, near enough. Max's 16 levels for a normal distribution leave 0.0095
// of the squares; with a step for each 32 numbers and a trellis 0.0055 were measured on the release's rows.
// Even steps of a quarter of that size leave a sixteenth of what 4 bits with even steps do, which is 0.0094.
TEST_P(EmbeddingRow, LosesLittleOfNormalNumbers) {
  double most = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto x = numbers(768, seed);
    most = std::max(most, squares(there_and_back(GetParam(), x), x));
  }
  EXPECT_LT(most, GetParam() == RowEncoding::kBf16   ? 0x1p-16
                  : GetParam() == RowEncoding::kInt6 ? 0.0007
                  : GetParam() == RowEncoding::kInt4 ? 0.0063
                                                     : 0.03);
}

// The order of codes: numbers that the grid holds exactly come back as they were.
TEST_P(EmbeddingRow, KeepsEveryNumberInItsPlace) {
  constexpr std::size_t kWidth = 128;
  std::vector<float> x(kWidth, 0.0F);
  for (std::size_t i = 0; i < kWidth; ++i) {
    x.assign(kWidth, 0.0F);
    x[i] = -8;  // the end of the 4-bit range too
    const std::vector<float> found = there_and_back(GetParam(), x);
    for (std::size_t j = 0; j < kWidth; ++j) ASSERT_NEAR(found[j], x[j], 1e-5) << i << ", " << j;
  }
}

TEST_P(EmbeddingRow, NoticesEveryFlippedBit) {
  for (const std::size_t width : {64U, 768U}) {
    std::vector<std::byte> row = pack(GetParam(), numbers(width, width));
    std::vector<float> out(width);
    for (std::size_t bit = 0; bit < row.size() * 8; ++bit) {
      const auto mask = static_cast<std::byte>(1 << bit % 8);
      row[bit / 8] ^= mask;
      ASSERT_FALSE(unpack_row(GetParam(), row.data(), width, out.data())) << "bit " << bit;
      row[bit / 8] ^= mask;
    }
    EXPECT_TRUE(unpack_row(GetParam(), row.data(), width, out.data()));
  }
}

// A page of zeros, as a file has after a crash, is no row.
TEST_P(EmbeddingRow, NoticesThatNothingWasWritten) {
  const std::vector<std::byte> row(row_bytes(GetParam(), 768));
  std::vector<float> out(768);
  EXPECT_FALSE(unpack_row(GetParam(), row.data(), 768, out.data()));
}

TEST_P(EmbeddingRow, StandsAlone) {
  constexpr std::size_t kWidth = 64, kRows = 3;
  const std::size_t bytes = row_bytes(GetParam(), kWidth);
  std::vector<std::byte> table(kRows * bytes, kUntouched);
  const auto x = numbers(kWidth, 8);
  const auto before = x;
  pack_row(GetParam(), x.data(), kWidth, table.data() + bytes);
  EXPECT_EQ(x, before);
  for (std::size_t i = 0; i < bytes; ++i) {
    ASSERT_EQ(table[i], kUntouched) << i;
    ASSERT_EQ(table[2 * bytes + i], kUntouched) << i;
  }
  const std::vector<std::byte> alone = pack(GetParam(), x);
  EXPECT_EQ(0, std::memcmp(alone.data(), table.data() + bytes, bytes));
  std::vector<float> out(kWidth);
  EXPECT_FALSE(unpack_row(GetParam(), table.data(), kWidth, out.data()));
  EXPECT_TRUE(unpack_row(GetParam(), table.data() + bytes, kWidth, out.data()));
}

TEST_P(EmbeddingRow, MakesZerosOfZeros) {
  const std::vector<float> zeros(64, 0.0F);
  EXPECT_EQ(there_and_back(GetParam(), zeros), zeros);
}

INSTANTIATE_TEST_SUITE_P(All, EmbeddingRow,
                         ::testing::Values(RowEncoding::kBf16, RowEncoding::kInt6, RowEncoding::kInt4,
                                           RowEncoding::kChannel4),
                         [](const auto& info) {
                           return info.param == RowEncoding::kBf16   ? "Bf16"
                                  : info.param == RowEncoding::kInt6 ? "Int6"
                                  : info.param == RowEncoding::kInt4 ? "Int4"
                                                                     : "Channel4";
                         });

// What quantisation-aware checkpoints need: numbers on a grid of 15 steps come back as they are.
TEST(EmbeddingRow, OfOneStepKeepsNumbersOfItsGrid) {
  std::vector<float> x(64);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(static_cast<int>(i % 15) - 7) * 0.125F;
  EXPECT_EQ(there_and_back(RowEncoding::kChannel4, x), x);
}

// Rows of Q4_0 and MatMulNBits: steps of any size and sign for each 32 numbers. Here the widest step is at
// most four times the least, so that subs are 127 * 4 / 8 / 4 = 15 at least, and a step is kept to 1 part
// in 30. A trellis would lose fifty times as much.
TEST(EmbeddingRow, OfFourBitsKeepsTheEvenGridThatNumbersStandOn) {
  for (const int end : {-8, 7}) {  // what the largest of 32 numbers is, in steps
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      Random random(seed);
      std::vector<float> x(768);
      for (std::size_t group = 0; group < x.size(); group += 32) {
        const double step = (random.uniform() < 0.5 ? -1 : 1) * (0.01 + 0.03 * random.uniform());
        const int least = end == 7 ? -7 : -8;
        for (std::size_t i = group; i < group + 32; ++i) {
          const auto code = static_cast<int>(random.next() % 15) + least;  // not all of 16 where it ends at 7
          x[i] = static_cast<float>(step * (i == group ? end : std::min(code, 7)));
        }
      }
      const std::vector<float> found = there_and_back(RowEncoding::kInt4, x);
      for (std::size_t i = 0; i < x.size(); ++i) {
        ASSERT_NEAR(found[i], x[i], std::abs(x[i]) / (2 * 15) + 1e-6) << end << ", " << seed << ", " << i;
      }
      ASSERT_LT(squares(found, x), 1e-4) << end << ", " << seed;
    }
  }
}

}  // namespace
}  // namespace gemvec::model
