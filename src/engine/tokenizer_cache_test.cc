// The tokenizer's tables through the cache: the same tokens, whatever happened to the file.
#include "engine/tokenizer_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <fstream>

#include "base/aligned.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"
#include "support/tiny_tokenizer.h"
#include "tokenizer/internals.h"
#include "tokenizer/packed_tables.h"

namespace gemvec::engine {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kText =
    "hello  world\n\n<b>lll</b><bos>\xE2\x96\x81\xE2\x96\x81\xF0\x9F\x98\x80\xFF the quick 42 <unused0>";

class TokenizerCache : public ::testing::Test {
 protected:
  TokenizerCache() { write(600); }
  void write(std::size_t vocab) {
    testing::write_text(json_, boost::json::serialize(testing::make_tiny_tokenizer(vocab)));
  }
  Result<CachedTokenizer> load() { return load_tokenizer(json_, cache_); }
  static std::vector<std::int32_t> ids(const Tokenizer& tokenizer) {
    auto ids = tokenizer.encode(kText)->ids;
    const auto as_text = tokenizer.encode(kText, {.control_text = ControlText::kText});
    ids.insert(ids.end(), as_text->ids.begin(), as_text->ids.end());
    return ids;
  }
  static void expect_same(const Tokenizer& a, const Tokenizer& b) {
    EXPECT_EQ(ids(a), ids(b));
    ASSERT_EQ(a.vocab_size(), b.vocab_size());
    for (std::size_t id = 0; id < a.vocab_size(); ++id)
      EXPECT_EQ(a.piece(static_cast<std::int32_t>(id)), b.piece(static_cast<std::int32_t>(id)));
    EXPECT_EQ(a.bos_id(), b.bos_id());
    EXPECT_EQ(a.eos_id(), b.eos_id());
    EXPECT_EQ(a.pad_id(), b.pad_id());
  }

  testing::TempDir dir_;
  fs::path json_ = dir_.path() / "tokenizer.json", cache_ = dir_.path() / "cache";
};

TEST_F(TokenizerCache, GivesTheTokensOfTheFileFromTheFirstLoadOn) {
  const auto parsed = Tokenizer::from_file(json_);
  const auto first = load();
  const auto second = load();
  ASSERT_TRUE(parsed.ok() && first.ok() && second.ok());
  EXPECT_FALSE(first->from_cache);
  EXPECT_TRUE(second->from_cache);
  EXPECT_EQ(first->file, second->file);
  EXPECT_TRUE(second->notes.empty());
  expect_same(first->tokenizer, *parsed);
  expect_same(second->tokenizer, *parsed);
}

TEST_F(TokenizerCache, NeedsNoCache) {
  cache_.clear();
  const auto tokenizer = load();
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_TRUE(tokenizer->file.empty() && tokenizer->notes.empty());
  cache_ = dir_.path() / "file";
  testing::write_text(cache_, "not a folder");
  const auto other = load();
  ASSERT_TRUE(other.ok());
  EXPECT_TRUE(other->file.empty());
  ASSERT_EQ(other->notes.size(), 1U);
  EXPECT_NE(other->notes[0].find("Tokenizer tables are kept in memory only"), std::string::npos);
  expect_same(tokenizer->tokenizer, other->tokenizer);
}

TEST_F(TokenizerCache, ReadsAChangedFileAgain) {
  ASSERT_TRUE(load().ok());
  write(700);
  const auto after = load();
  ASSERT_TRUE(after.ok());
  EXPECT_FALSE(after->from_cache);
  EXPECT_EQ(after->tokenizer.vocab_size(), 700U);
}

TEST_F(TokenizerCache, ReportsABadFileAsWithoutCache) {
  testing::write_text(json_, "{}");
  const auto bad = load();
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().message, Tokenizer::from_file(json_).error().message);
  fs::remove(json_);
  EXPECT_EQ(load().error().code, ErrorCode::kNotFound);
}

TEST_F(TokenizerCache, NeverUsesADamagedFile) {
  const auto good = load();
  ASSERT_TRUE(good.ok());
  const auto size = fs::file_size(good->file);
  for (std::uintmax_t at = 4096; at < size; at += 4099) {
    std::fstream file(good->file, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 1 << (at % 8)));
    file.close();
    const auto after = load();
    ASSERT_TRUE(after.ok());
    EXPECT_FALSE(after->from_cache) << at;
    ASSERT_EQ(after->notes.size(), 1U) << at;
    EXPECT_EQ(ids(after->tokenizer), ids(good->tokenizer)) << at;
  }
}

TEST_F(TokenizerCache, LivesOnWhenItsFileIsDeleted) {
  ASSERT_TRUE(load().ok());
  const auto mapped = load();
  fs::remove_all(cache_);
  expect_same(mapped->tokenizer, *Tokenizer::from_file(json_));
}

// Without the checksum in front of it: every table, cut short or with any of its bytes changed, is refused or
// gives some tokens.
TEST_F(TokenizerCache, TablesWithAnyDamageAreRefusedOrSafe) {
  const auto parsed = Tokenizer::from_file(json_);
  const tokenizer::Tables& tables = tokenizer::Internals::tables(*parsed);
  const std::size_t size = tokenizer::packed_bytes(tables);
  const auto pack = [&] {
    auto buffer = *base::AlignedBuffer<std::byte>::create(size);
    std::fill_n(buffer.data(), size, std::byte{0});
    tokenizer::pack_tables(tables, {buffer.data(), size});
    return buffer;
  };
  auto buffer = pack();
  const std::span<std::byte> bytes(buffer.data(), size);
  for (std::size_t cut = 0; cut < size; cut += 997)
    EXPECT_FALSE(tokenizer::view_tables(bytes.first(cut), "cut").ok()) << cut;
  std::size_t refused = 0;
  for (std::size_t at = 0; at < size; at += at < 128 ? 1 : 61) {
    const std::byte before = bytes[at];
    for (const unsigned value : {0U, 1U, 127U, 255U}) {
      bytes[at] = static_cast<std::byte>(value);
      const auto viewed = tokenizer::view_tables(bytes, "damaged");
      if (!viewed.ok()) {
        EXPECT_EQ(viewed.error().code, ErrorCode::kBadFormat);
        EXPECT_TRUE(viewed.error().message.starts_with("damaged: ")) << viewed.error().message;
        ++refused;
        continue;
      }
      const auto encoding = tokenizer::Internals::make(*viewed, nullptr).encode(kText);
      ASSERT_TRUE(encoding.ok());
      for (const auto id : encoding->ids) ASSERT_LT(static_cast<std::size_t>(id), viewed->vocab_size());
    }
    bytes[at] = before;
  }
  EXPECT_GT(refused, 1000U);
}

}  // namespace
}  // namespace gemvec::engine
