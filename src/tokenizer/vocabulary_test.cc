// Scores and types into tables: equal to those of the tokenizer.json that the same vocabulary stands for,
// whose merges are found here by trying every cut of every piece.
#include "tokenizer/vocabulary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gemvec/tokenizer.h"
#include "support/random.h"
#include "support/tiny_tokenizer.h"
#include "tokenizer/internals.h"
#include "tokenizer/packed_tables.h"

namespace gemvec::tokenizer {
namespace {

constexpr std::int64_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6;

// The lists with memory of their own.
struct Lists {
  std::vector<std::string> pieces;
  std::vector<float> scores;
  std::vector<std::int64_t> types;

  void add(const std::string& piece, float score, std::int64_t type) {
    pieces.push_back(piece);
    scores.push_back(score);
    types.push_back(type);
  }
  [[nodiscard]] Result<OwnedTables> build() const {
    const std::vector<std::string_view> views(pieces.begin(), pieces.end());
    return build_tables({views, scores, types}, "m.gguf");
  }
};

// Control tokens, user-defined ones, bytes, and one character: the least that makes a tokenizer.
Lists least() {
  Lists lists;
  for (const char* control : {"<pad>", "<eos>", "<bos>"}) lists.add(control, -1000, kControl);
  lists.add("<unk>", -1000, kUnknown);
  for (int size = 1; size <= 4; ++size)
    lists.add(std::string(static_cast<std::size_t>(size), '\n'), -1000, kUserDefined);
  for (int size = 2; size <= 4; ++size)
    lists.add(std::string(static_cast<std::size_t>(size), ' '), -1000, kUserDefined);
  for (const char* tag : {"<b>", "</b>"}) lists.add(tag, -1000, kUserDefined);
  constexpr char kDigits[] = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte)
    lists.add(std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">", 0, kByte);
  lists.add("▁", -1, kNormal);
  return lists;
}

std::string with_marks(std::string text) {
  for (std::size_t at = 0; (at = text.find(' ', at)) != std::string::npos;) text.replace(at, 1, "▁");
  return text;
}

std::size_t length(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// The tokenizer.json that the release's makers' way makes of these lists.
std::string as_json(const Lists& lists) {
  std::unordered_map<std::string, std::size_t> text;  // pieces of text
  boost::json::object vocab;
  boost::json::array added;
  for (std::size_t id = 0; id < lists.pieces.size(); ++id) {
    const bool user_defined = lists.types[id] == kUserDefined;
    const std::string piece = user_defined ? with_marks(lists.pieces[id]) : lists.pieces[id];
    vocab[piece] = id;
    if (user_defined || lists.types[id] == kNormal) text[piece] = id;
    if (!user_defined && lists.types[id] != kControl && lists.types[id] != kUnknown) continue;
    added.push_back({{"id", id},
                     {"content", piece},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", !user_defined}});
  }
  using Merge = std::tuple<float, std::size_t, std::size_t, std::string, std::string>;
  std::vector<Merge> merges;
  for (std::size_t id = 0; id < lists.pieces.size(); ++id) {
    const std::string piece = with_marks(lists.pieces[id]);
    if (!text.contains(piece) || text[piece] != id) continue;
    // No score in these tests is above 0.
    const float score = lists.types[id] == kUserDefined ? 0.0F : lists.scores[id];
    for (std::size_t cut = 1; cut < piece.size(); ++cut) {
      const std::string left = piece.substr(0, cut), right = piece.substr(cut);
      if (text.contains(left) && text.contains(right))
        merges.emplace_back(score, length(left), length(right), left, right);
    }
  }
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    return std::tie(std::get<0>(a), std::get<1>(a), std::get<2>(a)) >
           std::tie(std::get<0>(b), std::get<1>(b), std::get<2>(b));
  });
  boost::json::array pairs;
  for (const auto& merge : merges)
    pairs.push_back(boost::json::array{std::get<3>(merge), std::get<4>(merge)});
  boost::json::object json = testing::make_tiny_tokenizer(600);
  json["added_tokens"] = added;
  json["model"].as_object()["vocab"] = vocab;
  json["model"].as_object()["merges"] = pairs;
  return boost::json::serialize(json);
}

// The tables as bytes, what is between them zero.
std::vector<std::byte> packed(const Tables& tables) {
  std::vector<std::byte> bytes(packed_bytes(tables));
  pack_tables(tables, bytes);
  return bytes;
}

void expect_equal_tables(const Lists& lists) {
  const auto tables = lists.build();
  ASSERT_TRUE(tables.ok()) << tables.error().message;
  const auto expected = Tokenizer::from_json(as_json(lists));
  ASSERT_TRUE(expected.ok()) << expected.error().message;
  EXPECT_EQ(packed(tables->view()), packed(Internals::tables(*expected)));
}

TEST(Vocabulary, GivesTheTablesOfTheTokenizerJson) {
  Lists lists = least();
  for (const char* piece : {"a", "b", "é", "日", "ab", "▁a", "▁ab", "bé", "abé", "▁abé", "日日", "aa", "aaa"})
    lists.add(piece, -static_cast<float>(lists.pieces.size()), kNormal);
  lists.add("[PAD1]", -1000, kUnused);
  expect_equal_tables(lists);
}

TEST(Vocabulary, GivesThemOfRandomPiecesAndScores) {
  testing::Random random(3);
  for (int round = 0; round < 30; ++round) {
    Lists lists = least();
    for (const char* letter : {"a", "b", "é"}) lists.add(letter, -1, kNormal);
    for (int i = 0; i < 300; ++i) {
      std::string piece;
      for (std::size_t n = 2 + random.next() % 6; n > 0; --n) {
        constexpr const char* kLetters[] = {"a", "b", "é", "▁"};
        piece += kLetters[random.next() % 4];
      }
      // Runs of marks are user-defined here, and a piece is there once.
      if (piece.find_first_not_of("▁") == piece.npos) continue;
      if (std::find(lists.pieces.begin(), lists.pieces.end(), piece) != lists.pieces.end()) continue;
      lists.add(piece, -static_cast<float>(random.next() % 100), kNormal);  // some scores are equal
    }
    expect_equal_tables(lists);
  }
}

// Every prefix and every suffix of the longest piece is a piece: the most ways to cut that there can be.
TEST(Vocabulary, TakesTheLongestPieces) {
  Lists lists = least();
  for (std::size_t size = 1; size <= kMaxPieceBytes; ++size)
    lists.add(std::string(size, 'a'), -static_cast<float>(size), kNormal);
  const auto tables = lists.build();
  ASSERT_TRUE(tables.ok()) << tables.error().message;
  // Of runs of 2, 3 and 4 line breaks, and of as many spaces, there are 1 + 2 + 3 cuts each.
  EXPECT_EQ(tables->merged.size(), kMaxPieceBytes * (kMaxPieceBytes - 1) / 2 + 12);
}

std::vector<std::int32_t> ids_of(const Lists& lists, std::string_view text) {
  auto tables = lists.build();
  EXPECT_TRUE(tables.ok()) << tables.error().message;
  const auto memory = std::make_shared<const OwnedTables>(std::move(tables).value());
  const auto encoding = Internals::make(memory->view(), memory).encode(text, {.add_bos_eos = false});
  return encoding->ids;
}

TEST(Vocabulary, JoinsByScoreAndMatchesUserDefinedPiecesFirst) {
  Lists lists = least();
  const auto first = static_cast<std::int32_t>(lists.pieces.size());
  for (const auto& [piece, score] : {std::pair("a", -9.0F),
                                     {"b", -9.0F},
                                     {"c", -9.0F},
                                     {"ab", -3.0F},
                                     {"bc", -2.0F},
                                     {"abc", -4.0F},
                                     {"▁b", -1.0F}})
    lists.add(piece, score, kNormal);
  EXPECT_EQ(ids_of(lists, "abc"), (std::vector<std::int32_t>{first + 5}));  // a, bc
  EXPECT_EQ(ids_of(lists, "ab"), (std::vector<std::int32_t>{first + 3}));
  EXPECT_EQ(ids_of(lists, "a b"), (std::vector<std::int32_t>{first, first + 6}));
  EXPECT_EQ(ids_of(lists, "a  b"), (std::vector<std::int32_t>{first, 8, first + 1}));  // the run goes first
  EXPECT_EQ(ids_of(lists, "a     b"), (std::vector<std::int32_t>{first, 10, first + 6}));  // four and one
  EXPECT_EQ(ids_of(lists, "a<b>\n\n"), (std::vector<std::int32_t>{first, 11, 5}));
  EXPECT_EQ(ids_of(lists, "<eos>"), (std::vector<std::int32_t>{1}));
}

TEST(Vocabulary, RefusesListsThatDoNotAgree) {
  const struct {
    const char* title;
    void (*damage)(Lists&);
    const char* message;
  } cases[] = {
      {"fewer scores", [](Lists& l) { l.scores.pop_back(); },
       R"(m.gguf: field "tokenizer.ggml.scores" must have one element for each of 270 tokens, but has 269.)"},
      {"more types", [](Lists& l) { l.types.push_back(1); },
       R"(m.gguf: field "tokenizer.ggml.token_type" must have one element for each of 270 tokens, but has 271.)"},
      {"empty piece", [](Lists& l) { l.pieces[269] = ""; },
       R"(m.gguf: field "tokenizer.ggml.tokens[269]" must be 1 to 1024 bytes of UTF-8, but is "".)"},
      {"not UTF-8", [](Lists& l) { l.pieces[269] = "\xFF"; },
       R"(m.gguf: field "tokenizer.ggml.tokens[269]" must be 1 to 1024 bytes of UTF-8, but is "\xFF".)"},
      {"space in a tag", [](Lists& l) { l.pieces[11] = "<b c>"; },
       R"(m.gguf: field "tokenizer.ggml.tokens[11]" must not have spaces beside other characters, but is "<b c>".)"},
      {"score is NaN", [](Lists& l) { l.scores[3] = std::numeric_limits<float>::quiet_NaN(); },
       R"(m.gguf: field "tokenizer.ggml.scores[3]" must be a number, but is none.)"},
      {"type 0", [](Lists& l) { l.types[3] = 0; },
       R"(m.gguf: field "tokenizer.ggml.token_type[3]" must be 1 to 6, but is 0.)"},
      {"byte of another type", [](Lists& l) { l.types[13] = kNormal; },
       R"(m.gguf: field "tokenizer.ggml.token_type[13]" must be 6 for bytes and only for them, but is 1 for "<0x00>".)"},
      {"byte without a name", [](Lists& l) { l.types[269] = kByte; },
       R"(m.gguf: field "tokenizer.ggml.token_type[269]" must be 6 for bytes and only for them, but is 6 for "▁".)"},
      {"unused character", [](Lists& l) { l.types[269] = kUnused; },
       R"(m.gguf: field "tokenizer.ggml.token_type[269]" must not be 5, unused, for a character, but is for "▁".)"},
      {"piece twice", [](Lists& l) { l.pieces[12] = "<b>"; },
       R"(m.gguf: field "tokenizer.ggml.tokens" must not have "<b>" twice.)"},
      {"no space mark", [](Lists& l) { l.pieces[269] = "x"; },
       R"(m.gguf: field "tokenizer.ggml.tokens" must have the space mark U+2581 as a piece.)"},
      {"a byte missing", [](Lists& l) { l.pieces[13] = "<0xZZ>"; },
       R"(m.gguf: field "tokenizer.ggml.tokens" must have the byte token <0x00>.)"},
      {"BOS is text", [](Lists& l) { l.types[2] = kNormal; },
       R"(m.gguf: field "tokenizer.ggml.tokens" must have the special token <bos>.)"},
  };
  for (const auto& bad : cases) {
    Lists lists = least();
    bad.damage(lists);
    const auto tables = lists.build();
    ASSERT_FALSE(tables.ok()) << bad.title;
    EXPECT_EQ(tables.error().message, bad.message);
  }
}

}  // namespace
}  // namespace gemvec::tokenizer
