// Rows of the packed embedding table: what they give back, and that damage shows.
#include "model/embedding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "model/numbers.h"
#include "support/random.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

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

class EmbeddingRow : public ::testing::TestWithParam<Encoding> {
 protected:
  [[nodiscard]] std::vector<std::byte> pack(const std::vector<float>& x) const {
    std::vector<std::byte> row(embedding_row_bytes(GetParam(), x.size()));
    pack_embedding_row(GetParam(), x.data(), x.size(), false, row.data());
    return row;
  }
  [[nodiscard]] std::vector<float> read(const std::vector<std::byte>& row, std::size_t width) const {
    std::vector<float> out(width, NAN);
    EXPECT_TRUE(read_embedding_row(GetParam(), row.data(), width, out.data()));
    return out;
  }
};

// Numbers or codes, steps for every 32 halves, a scale if there are codes, and a check.
TEST_P(EmbeddingRow, HasTheSizeThatTheFormatSays) {
  for (const std::size_t width : {32U, 64U, 768U}) {
    const std::size_t expected = GetParam() == Encoding::kBf16   ? 2 * width + 4
                                 : GetParam() == Encoding::kInt8 ? width + 8
                                                                 : width / 2 + width / 32 + 8;
    EXPECT_EQ(embedding_row_bytes(GetParam(), width), expected);
  }
  EXPECT_EQ(embedding_row_bytes(GetParam(), 768) % 4, 0U);
}

// bf16: half a unit in the last place. int8: half a step, top / 254, for every number. int4: the steps are
// chosen for the least sum of squares and never give more than the plain grid, whose error is at most top / 8
// + 3.5 top / 120 for a number (see quantize_test.cc). Both up to three roundings of fp32.
TEST_P(EmbeddingRow, GivesBackTheNumbersToTheGridsError) {
  for (const std::size_t width : {32U, 64U, 768U}) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      auto x = numbers(width, seed, seed % 2 == 0 ? 0.05 : 100);
      if (seed % 4 == 3) x[seed] *= 50;
      float top = 0;
      for (const float v : x) top = std::max(top, std::abs(v));
      const std::vector<float> found = read(pack(x), width);
      double squares = 0;
      for (std::size_t i = 0; i < width; ++i) {
        const double error = static_cast<double>(found[i]) - x[i];
        squares += error * error;
        if (GetParam() == Encoding::kBf16) {
          ASSERT_LE(std::abs(error), std::abs(x[i]) * 0x1p-8) << i;  // 8 bits of significand
        } else if (GetParam() == Encoding::kInt8) {
          ASSERT_LE(std::abs(error), top * (1.0 / 254 + 3 * 0x1p-24)) << i;
        }
      }
      const double bound = GetParam() != Encoding::kInt4 ? 1.0 / 254 : 1.0 / 8 + 3.5 / 120;
      ASSERT_LE(std::sqrt(squares / static_cast<double>(width)), top * (bound + 3 * 0x1p-24)) << seed;
    }
  }
}

// The order of halves and steps: numbers that the grid holds exactly come back as they were.
TEST_P(EmbeddingRow, KeepsEveryNumberInItsPlace) {
  constexpr std::size_t kWidth = 128;
  std::vector<float> x(kWidth, 0.0F);
  for (std::size_t i = 0; i < kWidth; ++i) {
    x.assign(kWidth, 0.0F);
    x[i] = -8;  // the end of the 4-bit range too
    const std::vector<float> found = read(pack(x), kWidth);
    for (std::size_t j = 0; j < kWidth; ++j) ASSERT_NEAR(found[j], x[j], 1e-5) << i << ", " << j;
  }
}

TEST_P(EmbeddingRow, NoticesEveryFlippedBit) {
  for (const std::size_t width : {64U, 768U}) {
    std::vector<std::byte> row = pack(numbers(width, width));
    std::vector<float> out(width);
    for (std::size_t bit = 0; bit < row.size() * 8; ++bit) {
      const auto mask = static_cast<std::byte>(1 << bit % 8);
      row[bit / 8] ^= mask;
      ASSERT_FALSE(read_embedding_row(GetParam(), row.data(), width, out.data())) << "bit " << bit;
      row[bit / 8] ^= mask;
    }
    EXPECT_TRUE(read_embedding_row(GetParam(), row.data(), width, out.data()));
  }
}

// A page of zeros, as a file has after a crash, is no row.
TEST_P(EmbeddingRow, NoticesThatNothingWasWritten) {
  const std::vector<std::byte> row(embedding_row_bytes(GetParam(), 768));
  std::vector<float> out(768);
  EXPECT_FALSE(read_embedding_row(GetParam(), row.data(), 768, out.data()));
}

TEST_P(EmbeddingRow, StandsAlone) {
  constexpr std::size_t kWidth = 64, kRows = 3;
  const std::size_t bytes = embedding_row_bytes(GetParam(), kWidth);
  std::vector<std::byte> table(kRows * bytes, kUntouched);
  const auto x = numbers(kWidth, 8);
  const auto before = x;
  pack_embedding_row(GetParam(), x.data(), kWidth, false, table.data() + bytes);
  EXPECT_EQ(x, before);
  for (std::size_t i = 0; i < bytes; ++i) {
    ASSERT_EQ(table[i], kUntouched) << i;
    ASSERT_EQ(table[2 * bytes + i], kUntouched) << i;
  }
  const std::vector<std::byte> alone = pack(x);
  EXPECT_EQ(0, std::memcmp(alone.data(), table.data() + bytes, bytes));
  std::vector<float> out(kWidth);
  EXPECT_FALSE(read_embedding_row(GetParam(), table.data(), kWidth, out.data()));
  EXPECT_TRUE(read_embedding_row(GetParam(), table.data() + bytes, kWidth, out.data()));
}

TEST_P(EmbeddingRow, MakesZerosOfZeros) {
  const std::vector<float> zeros(64, 0.0F);
  EXPECT_EQ(read(pack(zeros), 64), zeros);
}

INSTANTIATE_TEST_SUITE_P(All, EmbeddingRow,
                         ::testing::Values(Encoding::kBf16, Encoding::kInt8, Encoding::kInt4),
                         [](const auto& info) {
                           return info.param == Encoding::kBf16   ? "Bf16"
                                  : info.param == Encoding::kInt8 ? "Int8"
                                                                  : "Int4";
                         });

// What quantisation-aware checkpoints need: numbers on a grid of 15 steps come back as they are.
TEST(EmbeddingRow, OfOneStepKeepsNumbersOfItsGrid) {
  constexpr std::size_t kWidth = 64;
  std::vector<float> x(kWidth);
  for (std::size_t i = 0; i < kWidth; ++i) x[i] = static_cast<float>(static_cast<int>(i % 15) - 7) * 0.125F;
  std::vector<std::byte> row(embedding_row_bytes(Encoding::kInt4, kWidth));
  pack_embedding_row(Encoding::kInt4, x.data(), kWidth, true, row.data());
  std::vector<float> out(kWidth);
  ASSERT_TRUE(read_embedding_row(Encoding::kInt4, row.data(), kWidth, out.data()));
  EXPECT_EQ(out, x);
}

// A table [kRows, kWidth] of random numbers, somewhere inside a file that is mapped.
class EmbeddingFile {
 public:
  static constexpr std::size_t kRows = 40, kWidth = 64, kBefore = 100;

  // Of packed rows if `type` has them in its block, else of `raw` numbers.
  EmbeddingFile(WeightType type, RawType raw) {
    const Encoding encoding = Recipe::of(type).embedding;
    const std::size_t bytes = encoding != Encoding::kF32 ? embedding_row_bytes(encoding, kWidth)
                              : raw == RawType::kF32     ? kWidth * sizeof(float)
                                                         : kWidth * sizeof(std::uint16_t);
    std::string content(kBefore + kRows * bytes, '\0');
    for (std::size_t row = 0; row < kRows; ++row) {
      auto* to = reinterpret_cast<std::byte*>(content.data() + kBefore + row * bytes);
      const std::vector<float> x = numbers(kWidth, row);
      if (encoding != Encoding::kF32) {
        pack_embedding_row(encoding, x.data(), kWidth, false, to);
      } else if (raw == RawType::kF32) {
        std::memcpy(to, x.data(), bytes);
      } else {
        for (std::size_t i = 0; i < kWidth; ++i) {  // any finite number of either type
          const std::uint16_t half = to_bf16(x[i]);
          std::memcpy(to + i * sizeof(half), &half, sizeof(half));
        }
      }
    }
    testing::write_text(path(), content);
    file_ = std::move(*base::MappedFile::open(path()));
    weights_.config.width = kWidth;
    weights_.config.vocab = kRows;
    weights_.type = type;
    weights_.embedding = file_.bytes().data() + kBefore;
    weights_.source_embedding = {.type = raw, .rows = kRows, .cols = kWidth, .data = weights_.embedding};
  }

  Status read(std::size_t row, bool from_file, std::vector<float>& out) {
    weights_.embedding_file = from_file ? &file_ : nullptr;
    std::vector<float> scratch(kWidth, NAN);
    out.assign(kWidth, NAN);
    return read_embedding(weights_, row, scratch.data(), out.data());
  }
  [[nodiscard]] std::filesystem::path path() const { return dir_.path() / "table"; }
  [[nodiscard]] std::size_t bytes() const { return file_.bytes().size(); }

 private:
  testing::TempDir dir_;
  base::MappedFile file_;
  Weights weights_;
};

struct EmbeddingCase {
  const char* name;
  WeightType type;
  RawType raw;
};
class ReadEmbedding : public ::testing::TestWithParam<EmbeddingCase> {};

TEST_P(ReadEmbedding, GivesTheSameBitsFromAFileAsFromMemory) {
  EmbeddingFile table(GetParam().type, GetParam().raw);
  std::vector<float> there, copied, first;
  for (std::size_t row = 0; row < EmbeddingFile::kRows; ++row) {
    ASSERT_TRUE(table.read(row, false, there).ok());
    ASSERT_TRUE(table.read(row, true, copied).ok());
    ASSERT_EQ(0, std::memcmp(there.data(), copied.data(), there.size() * sizeof(float))) << row;
    if (row == 0) first = there;
  }
  EXPECT_NE(first, there);
}

TEST_P(ReadEmbedding, SaysWhichFileIsShorterNow) {
  EmbeddingFile table(GetParam().type, GetParam().raw);
  std::filesystem::resize_file(table.path(), table.bytes() - 1);
  std::vector<float> out;
  EXPECT_TRUE(table.read(EmbeddingFile::kRows - 2, true, out).ok());
  const Status last = table.read(EmbeddingFile::kRows - 1, true, out);
  ASSERT_FALSE(last.ok());
  EXPECT_EQ(last.error().code, ErrorCode::kIo);
  EXPECT_NE(last.error().message.find(table.path().string()), std::string::npos) << last.error().message;
}

INSTANTIATE_TEST_SUITE_P(All, ReadEmbedding,
                         ::testing::Values(EmbeddingCase{"Fp32", WeightType::kF32, RawType::kF32},
                                           EmbeddingCase{"Fp32Rounded", WeightType::kQ8, RawType::kF32},
                                           EmbeddingCase{"Bf16", WeightType::kBf16, RawType::kBf16},
                                           EmbeddingCase{"Fp16", WeightType::kF32, RawType::kF16},
                                           EmbeddingCase{"PackedBf16", WeightType::kQ8Whole, RawType::kF32},
                                           EmbeddingCase{"PackedInt4", WeightType::kQ4, RawType::kF32}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace gemvec::model
