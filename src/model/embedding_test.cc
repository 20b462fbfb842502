// Where rows of the embedding table lie, and that they are the same bits from a file as from memory.
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
#include "model/embedding_row.h"
#include "model/numbers.h"
#include "support/random.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec::model {
namespace {

using testing::Random;

std::vector<float> numbers(std::size_t width, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> x(width);
  for (float& v : x) v = 0.05F * random.gaussian();
  return x;
}

// Of the release's 262144 rows, those of ids 0 to 8191 and of 2048 characters have 6 bits.
TEST(EmbeddingRows, LieInARowWithMoreBitsForFrequentIds) {
  const Config release;
  const Recipe recipe = Recipe::of(WeightType::kQ4);
  const EmbeddingRows rows(recipe, release);
  std::size_t at = 0, frequent = 0;
  for (std::size_t id = 0; id < release.vocab; ++id) {
    ASSERT_EQ(rows.offset(id), at) << id;
    const bool expected = id < 8192 || (id >= 236743 && id < 238791);
    ASSERT_EQ(rows.encoding(id), expected ? RowEncoding::kInt6 : RowEncoding::kInt4) << id;
    at += row_bytes(rows.encoding(id), release.width);
    frequent += expected ? 1 : 0;
  }
  EXPECT_EQ(rows.bytes(), at);
  EXPECT_EQ(frequent, 10240U);
}

TEST(EmbeddingRows, OfAnotherVocabularyHaveTheFirstIdsForFrequent) {
  Config tiny;
  tiny.vocab = 600;
  const EmbeddingRows rows(Recipe::of(WeightType::kQ4), tiny);
  for (std::size_t id = 0; id < tiny.vocab; ++id) {
    ASSERT_EQ(rows.encoding(id), id < 18 ? RowEncoding::kInt6 : RowEncoding::kInt4) << id;
  }
}

TEST(EmbeddingRows, AreAllOfOneKindInOtherTypes) {
  const Config release;
  for (const auto& [type, bytes] : {std::pair{WeightType::kQ8Whole, 1540U}, {WeightType::kMixed, 392U}}) {
    const EmbeddingRows rows(Recipe::of(type), release);
    EXPECT_EQ(rows.offset(250'000), 250'000 * bytes);
    EXPECT_EQ(rows.bytes(), release.vocab * bytes);
  }
}

// What docs/quantization.md promises of q4.
TEST(EmbeddingRows, LeaveQ4Below200Megabytes) {
  EXPECT_LE(PackedLayout::of(Config{}, WeightType::kQ4).bytes, 200'000'000U);
}

// A table [kRows, kWidth] of random numbers, somewhere inside a file that is mapped.
class EmbeddingFile {
 public:
  static constexpr std::size_t kRows = 40, kWidth = 64, kBefore = 100;

  // Of packed rows if `type` has them in its block, else of `raw` numbers.
  EmbeddingFile(WeightType type, RawType raw) {
    const Recipe recipe = Recipe::of(type);
    const bool packed = recipe.embedding != RowEncoding::kSource;
    weights_.config.width = kWidth;
    weights_.config.vocab = kRows;
    const std::size_t raw_bytes = kWidth * (raw == RawType::kF32 ? sizeof(float) : sizeof(std::uint16_t));
    const auto offset = [&](std::size_t row) {
      return kBefore + (packed ? EmbeddingRows(recipe, weights_.config).offset(row) : row * raw_bytes);
    };
    std::string content(offset(kRows), '\0');
    for (std::size_t row = 0; row < kRows; ++row) {
      auto* to = reinterpret_cast<std::byte*>(content.data() + offset(row));
      const std::vector<float> x = numbers(kWidth, row);
      if (packed) {
        pack_row(EmbeddingRows(recipe, weights_.config).encoding(row), x.data(), kWidth, to);
      } else if (raw == RawType::kF32) {
        std::memcpy(to, x.data(), raw_bytes);
      } else {
        for (std::size_t i = 0; i < kWidth; ++i) {  // any finite number of either type
          const std::uint16_t half = to_bf16(x[i]);
          std::memcpy(to + i * sizeof(half), &half, sizeof(half));
        }
      }
    }
    testing::write_text(path(), content);
    file_ = std::move(*base::MappedFile::open(path()));
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
