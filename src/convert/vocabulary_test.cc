// Tables -> tokenizer.json -> the same tables; and the scores that stand for merges.
#include "convert/vocabulary.h"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <string_view>

#include "gemvec/tokenizer.h"
#include "support/tiny_tokenizer.h"
#include "tokenizer/internals.h"

namespace gemvec::convert {
namespace {

using tokenizer::Internals;
using tokenizer::Tables;

Tokenizer tiny() {
  auto made = Tokenizer::from_json(boost::json::serialize(testing::make_tiny_tokenizer(640)));
  EXPECT_TRUE(made.ok());
  return std::move(made).value();
}

std::int32_t id_of(const Tables& tables, std::string_view piece) {
  for (std::size_t id = 0; id < tables.vocab_size(); ++id) {
    if (tables.piece(static_cast<std::int32_t>(id)) == piece) return static_cast<std::int32_t>(id);
  }
  return tokenizer::kNoToken;
}

template <class T>
void expect_equal(std::span<const T> a, std::span<const T> b) {
  ASSERT_EQ(a.size(), b.size());
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin()));
}

TEST(TokenizerJson, GivesTheSameTables) {
  const Tokenizer source = tiny();
  const Tables& a = Internals::tables(source);
  const auto back = Tokenizer::from_json(tokenizer_json(a));
  ASSERT_TRUE(back.ok()) << back.error().message;
  const Tables& b = Internals::tables(*back);
  EXPECT_EQ(a.piece_bytes, b.piece_bytes);
  expect_equal(a.piece_begin, b.piece_begin);
  expect_equal(a.merged, b.merged);
  expect_equal(a.pairs.slot, b.pairs.slot);
  expect_equal(a.byte_id, b.byte_id);
  ASSERT_EQ(a.added.node.size(), b.added.node.size());
  EXPECT_EQ(std::pair(a.bos, a.eos), std::pair(b.bos, b.eos));
  for (const std::string_view text :
       {"the task", "<bos>\n\n  x<table>é日本 \"quoted\" \\ \x01", "<mask><unused3>"}) {
    for (const auto control : {ControlText::kParse, ControlText::kText}) {
      EXPECT_EQ(source.encode(text, {.control_text = control})->ids,
                back->encode(text, {.control_text = control})->ids);
    }
  }
}

TEST(GgufVocabulary, HasTypesAndTextAsLlamaCppWantsThem) {
  const Tokenizer source = tiny();
  const Tables& tables = Internals::tables(source);
  const GgufVocabulary made = gguf_vocabulary(tables, 650);
  ASSERT_EQ(made.tokens.size(), 650U);
  const auto expect = [&](std::size_t id, std::string_view token, TokenType type) {
    EXPECT_EQ(made.tokens[id], token);
    EXPECT_EQ(made.types[id], static_cast<std::int32_t>(type)) << token;
  };
  expect(0, "<pad>", TokenType::kControl);
  expect(3, "<unk>", TokenType::kUnknown);
  expect(4, "<mask>", TokenType::kControl);
  expect(107, "\n", TokenType::kUserDefined);
  expect(139, "   ", TokenType::kUserDefined);
  expect(168, "<table>", TokenType::kUserDefined);
  expect(238, "<0x00>", TokenType::kByte);
  expect(494, "▁", TokenType::kNormal);
  expect(640, "[PAD640]", TokenType::kUnused);
}

TEST(GgufVocabulary, ScoresFallInTheOrderOfTheMerges) {
  const Tokenizer source = tiny();
  const Tables& tables = Internals::tables(source);
  const GgufVocabulary made = gguf_vocabulary(tables, tables.vocab_size());
  const auto score = [&](std::string_view piece) {
    return made.scores[static_cast<std::size_t>(id_of(tables, piece))];
  };
  EXPECT_GT(score("▁t"), score("he"));
  EXPECT_GT(score("he"), score("▁the"));
  EXPECT_GT(score("日本"), score("z"));  // what no merge makes comes last
  // Where one merge has two ranks, the better one counts.
  for (std::size_t rank = 1; rank < tables.merged.size(); ++rank) {
    const auto at = [&](std::size_t r) { return static_cast<std::size_t>(tables.merged[r]); };
    if (made.scores[at(rank)] > made.scores[at(rank - 1)]) {
      const auto* end = tables.merged.data() + rank;
      EXPECT_NE(std::find(tables.merged.data(), end, tables.merged[rank]), end);
    }
  }
}

TEST(GgufVocabulary, CountsMergesThatScoresCannotSay) {
  const auto count = [](boost::json::array extra) {
    auto json = testing::make_tiny_tokenizer(640);
    auto& merges = json["model"].as_object()["merges"].as_array();
    merges.insert(merges.end(), extra.begin(), extra.end());
    const auto made = Tokenizer::from_json(boost::json::serialize(json));
    EXPECT_TRUE(made.ok()) << made.error().message;
    return merges_not_in_scores(Internals::tables(*made));
  };
  using boost::json::array;
  // "▁an" and "▁and" could also be "▁" + "an" and "▁" + "and".
  EXPECT_EQ(count({}), 2U);
  // Added at the end, each is a merge, but its rank does not stand beside that of the other half.
  EXPECT_EQ(count({array{"▁", "an"}, array{"▁", "and"}}), 2U);
}

}  // namespace
}  // namespace gemvec::convert
