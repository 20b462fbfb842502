// The tokenizer on a tiny tokenizer.json: every promise of gemvec/tokenizer.h, with literals.
#include "gemvec/tokenizer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tokenizer/tiny_tokenizer.h"

namespace gemvec {
namespace {

using testing::tiny_tokenizer;
using testing::TinyTokenizer;

class TokenizerTest : public ::testing::Test {
 protected:
  static Tokenizer load(bool legacy_merges = false) {
    auto loaded = Tokenizer::from_json(tiny_tokenizer().text(legacy_merges));
    EXPECT_TRUE(loaded.ok()) << (loaded.ok() ? "" : loaded.error().message);
    return std::move(loaded).value();
  }

  // The pieces of a text, BOS and EOS left out.
  [[nodiscard]] std::vector<std::string> pieces(std::string_view text,
                                                ControlText control = ControlText::kParse) const {
    TokenizeOptions options;
    options.add_bos_eos = false;
    options.max_tokens = 0;
    options.control_text = control;
    const auto encoding = tokenizer_.encode(text, options);
    EXPECT_TRUE(encoding.ok());
    std::vector<std::string> out;
    for (const std::int32_t id : encoding->ids) out.emplace_back(tokenizer_.piece(id));
    return out;
  }

  [[nodiscard]] Encoding encode(std::string_view text, const TokenizeOptions& options) const {
    auto encoding = tokenizer_.encode(text, options);
    EXPECT_TRUE(encoding.ok()) << (encoding.ok() ? "" : encoding.error().message);
    return std::move(encoding).value();
  }

  TinyTokenizer tiny_ = tiny_tokenizer();
  Tokenizer tokenizer_ = load();
};

using Pieces = std::vector<std::string>;

TEST_F(TokenizerTest, MergesByRankNotFromLeftToRight) {
  EXPECT_EQ(pieces("hello"), (Pieces{"hello"}));
  EXPECT_EQ(pieces("hell"), (Pieces{"he", "ll"}));
  EXPECT_EQ(pieces("lll"), (Pieces{"ll", "l"}));
  // ▁h has a higher rank than he, so the word does not begin with the space.
  EXPECT_EQ(pieces("hello world"), (Pieces{"hello", "▁world"}));
  EXPECT_EQ(pieces(" hello"), (Pieces{"▁", "hello"}));
}

TEST_F(TokenizerTest, PutsBosBeforeAndEosBehind) {
  const std::vector<std::int32_t> expected = {2, tiny_.id("hello"), 1};
  EXPECT_EQ(encode("hello", {}).ids, expected);
  EXPECT_EQ(encode("hello", {}).total_tokens, 3U);
  EXPECT_EQ(tokenizer_.bos_id(), 2);
  EXPECT_EQ(tokenizer_.eos_id(), 1);
  EXPECT_EQ(tokenizer_.pad_id(), 0);
}

TEST_F(TokenizerTest, GivesOnlyBosAndEosForAnEmptyText) {
  EXPECT_EQ(encode("", {}).ids, (std::vector<std::int32_t>{2, 1}));
  TokenizeOptions bare;
  bare.add_bos_eos = false;
  EXPECT_TRUE(encode("", bare).ids.empty());
  EXPECT_EQ(encode("", bare).total_tokens, 0U);
}

TEST_F(TokenizerTest, TakesTheLongestAddedTokenFromTheLeft) {
  EXPECT_EQ(pieces("\n\n\n\n\n"), (Pieces{"\n\n\n\n", "\n"}));
  EXPECT_EQ(pieces("h\t\th"), (Pieces{"h", "\t\t", "h"}));
  EXPECT_EQ(pieces("<b>l</b>"), (Pieces{"<b>", "l", "</b>"}));
  EXPECT_EQ(pieces("<<b>b>"), (Pieces{"<", "<b>", "b", ">"}));
}

TEST_F(TokenizerTest, LooksForRunsOfSpaceMarksBeforeSpacesBecomeMarks) {
  EXPECT_EQ(pieces("h▁▁w"), (Pieces{"h", "▁▁", "w"}));
  EXPECT_EQ(pieces("h  w"), (Pieces{"h", "▁", "▁w"})) << "two spaces, merged by rank";
  EXPECT_EQ(pieces("▁w"), (Pieces{"▁w"})) << "a single mark is a space";
  EXPECT_EQ(pieces(" ▁▁ w"), (Pieces{"▁", "▁▁", "▁w"}));
}

TEST_F(TokenizerTest, SpellsUnknownCharactersInBytes) {
  EXPECT_EQ(pieces("é界"), (Pieces{"é", "界"}));
  EXPECT_EQ(pieces("hЖl"), (Pieces{"h", "<0xD0>", "<0x96>", "l"}));
  EXPECT_EQ(pieces(std::string_view("\0", 1)), (Pieces{"<0x00>"}));
  EXPECT_EQ(pieces("😀"), (Pieces{"<0xF0>", "<0x9F>", "<0x98>", "<0x80>"}));
}

TEST_F(TokenizerTest, ParsesControlStringsOnlyIfAsked) {
  EXPECT_EQ(pieces("<bos>h"), (Pieces{"<bos>", "h"}));
  EXPECT_EQ(pieces("<mask><unused0>"), (Pieces{"<mask>", "<unused0>"}));
  const std::string text = "<bos><eos><pad><unk><mask><start_of_turn><unused0>";
  for (const std::string& piece : pieces(text, ControlText::kText)) {
    EXPECT_TRUE(piece.size() == 1 || piece.starts_with("<0x") || piece == "or") << piece;
  }
  EXPECT_EQ(pieces("<bos>", ControlText::kText), (Pieces{"<", "b", "o", "s", ">"}));
  EXPECT_EQ(pieces("<b>\n\n▁▁", ControlText::kText), (Pieces{"<b>", "\n\n", "▁▁"}))
      << "tags and runs are text, not control";
}

TEST_F(TokenizerTest, NeverGivesAnIdBeyondTheTable) {
  EXPECT_EQ(tokenizer_.vocab_size(), tiny_.pieces.size());
  const Encoding encoding = encode("h<image_soft_token>h", {});
  EXPECT_GT(encoding.ids.size(), 5U);
  for (const std::int32_t id : encoding.ids) EXPECT_LT(static_cast<std::size_t>(id), tokenizer_.vocab_size());
}

TEST_F(TokenizerTest, ReplacesInvalidUtf8AndCountsIt) {
  // A lone continuation byte, an unfinished sequence of three, and a byte that never occurs.
  const Encoding encoding = encode("\x80h\xE2\x96l\xFF", {.add_bos_eos = false, .offsets = true});
  const std::int32_t replacement = tiny_.id("\xEF\xBF\xBD");
  EXPECT_EQ(encoding.ids,
            (std::vector<std::int32_t>{replacement, tiny_.id("h"), replacement, tiny_.id("l"), replacement}));
  EXPECT_EQ(encoding.invalid_sequences, 3U);
  EXPECT_EQ(encoding.offsets, (std::vector<ByteRange>{{0, 1}, {1, 2}, {2, 4}, {4, 5}, {5, 6}}));
  EXPECT_EQ(encode("h\xEF\xBF\xBD", {}).invalid_sequences, 0U) << "U+FFFD itself is valid";
}

TEST_F(TokenizerTest, GivesOffsetsInBytesOfTheOriginalText) {
  const Encoding encoding = encode("hello world\n\nЖé", {.offsets = true});
  EXPECT_EQ(
      encoding.offsets,
      (std::vector<ByteRange>{{0, 0}, {0, 5}, {5, 11}, {11, 13}, {13, 14}, {14, 15}, {15, 17}, {17, 17}}));
  EXPECT_TRUE(encode("hello", {}).offsets.empty()) << "only if asked for";
}

TEST_F(TokenizerTest, KeepsBosAndEosWhenItTruncates) {
  TokenizeOptions options;
  options.max_tokens = 4;
  options.offsets = true;
  const std::int32_t h = tiny_.id("h"), w = tiny_.id("w"), d = tiny_.id("d");
  const Encoding right = encode("hwdd", options);
  EXPECT_EQ(right.ids, (std::vector<std::int32_t>{2, h, w, 1}));
  EXPECT_EQ(right.offsets, (std::vector<ByteRange>{{0, 0}, {0, 1}, {1, 2}, {4, 4}}));
  EXPECT_TRUE(right.truncated);
  EXPECT_EQ(right.total_tokens, 6U);
  options.truncate = Truncate::kLeft;
  const Encoding left = encode("hwdd", options);
  EXPECT_EQ(left.ids, (std::vector<std::int32_t>{2, d, d, 1}));
  EXPECT_EQ(left.offsets, (std::vector<ByteRange>{{0, 0}, {2, 3}, {3, 4}, {4, 4}}));
  EXPECT_TRUE(left.truncated);
  EXPECT_EQ(left.total_tokens, 6U);
}

TEST_F(TokenizerTest, TruncatesOnlyBeyondTheLimit) {
  for (const Truncate truncate : {Truncate::kRight, Truncate::kLeft, Truncate::kError}) {
    const Encoding exact = encode("hwd", {.max_tokens = 5, .truncate = truncate});
    EXPECT_EQ(exact.ids.size(), 5U);
    EXPECT_FALSE(exact.truncated);
  }
  EXPECT_EQ(encode("hwd", {.max_tokens = 2}).ids, (std::vector<std::int32_t>{2, 1}));
  EXPECT_EQ(encode("hwd", {.max_tokens = 2, .truncate = Truncate::kLeft}).ids,
            (std::vector<std::int32_t>{2, 1}));
  EXPECT_EQ(encode("hwd", {.max_tokens = 2, .add_bos_eos = false}).ids.size(), 2U);
  EXPECT_EQ(encode("hwd", {.max_tokens = 0}).ids.size(), 5U);
  EXPECT_EQ(encode(std::string(5000, 'h'), {}).ids.size(), kMaxTokens) << "the default limit";
}

TEST_F(TokenizerTest, KeepsTheEndOfALongTextInLittleMemory) {
  std::string text(100'000, 'h');
  text += "wd";
  const Encoding encoding = encode(text, {.max_tokens = 5, .truncate = Truncate::kLeft, .offsets = true});
  EXPECT_EQ(encoding.ids, (std::vector<std::int32_t>{2, tiny_.id("h"), tiny_.id("w"), tiny_.id("d"), 1}));
  EXPECT_EQ(encoding.offsets[1], (ByteRange{99'999, 100'000}));
  EXPECT_EQ(encoding.total_tokens, 100'004U);
  EXPECT_LE(encoding.ids.capacity(), 65'536U);
}

TEST_F(TokenizerTest, RefusesTooLongTextsAndLimitsWithoutRoom) {
  const auto too_long = tokenizer_.encode("hwd", {.max_tokens = 4, .truncate = Truncate::kError});
  ASSERT_FALSE(too_long.ok());
  EXPECT_EQ(too_long.error().code, ErrorCode::kTooLong);
  EXPECT_EQ(too_long.error().message, "The text has 5 tokens, and the limit is 4.");
  const auto no_room = tokenizer_.encode("h", {.max_tokens = 1});
  ASSERT_FALSE(no_room.ok());
  EXPECT_EQ(no_room.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(TokenizerTest, NamesItsPieces) {
  EXPECT_EQ(tokenizer_.piece(2), "<bos>");
  EXPECT_EQ(tokenizer_.piece(-1), "");
  EXPECT_EQ(tokenizer_.piece(static_cast<std::int32_t>(tokenizer_.vocab_size())), "");
}

TEST_F(TokenizerTest, DecodesWhatItEncoded) {
  for (const std::string_view text :
       {"hello world", " hello", "", "tab\tline\n\n", "caf\xC3\xA9 \xF0\x9F\x99\x82"}) {
    const std::vector<std::int32_t> ids = encode(text, {}).ids;
    EXPECT_EQ(tokenizer_.decode(ids), text);
    EXPECT_EQ(tokenizer_.decode(ids, false), "<bos>" + std::string(text) + "<eos>");
  }
}

TEST_F(TokenizerTest, DecodesBytesThatAreNoTextAsReplacements) {
  const auto byte = [&](unsigned value) { return tiny_.id(fmt::format("<0x{:02X}>", value)); };
  EXPECT_EQ(tokenizer_.decode(std::vector{byte(0xC3), byte(0xA9)}), "\xC3\xA9");
  EXPECT_EQ(tokenizer_.decode(std::vector{byte('a'), byte(0xC3)}), "\xEF\xBF\xBD\xEF\xBF\xBD");
  // Another piece ends a run.
  EXPECT_EQ(tokenizer_.decode(std::vector{byte(0xC3), tiny_.id("hello"), byte('a')}), "\xEF\xBF\xBDhelloa");
  EXPECT_EQ(tokenizer_.decode(std::vector{-1, static_cast<std::int32_t>(tokenizer_.vocab_size())}), "");
}

TEST_F(TokenizerTest, KnowsMarksThatNoTextHas) {
  for (const char* piece : {"<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>"}) {
    EXPECT_TRUE(tokenizer_.is_special(tiny_.id(piece))) << piece;
  }
  for (const char* piece : {"<mask>", "<unused0>", "hello", "<b>"}) {
    EXPECT_FALSE(tokenizer_.is_special(tiny_.id(piece))) << piece;
  }
  EXPECT_FALSE(tokenizer_.is_special(-1));
}

TEST_F(TokenizerTest, ReadsBothFormsOfMerges) {
  const Tokenizer legacy = load(true);
  for (const char* text : {"hello world", "  hell  lll", "w▁orld"}) {
    const auto encoding = legacy.encode(text);
    ASSERT_TRUE(encoding.ok());
    EXPECT_EQ(encoding->ids, encode(text, {}).ids) << text;
  }
}

TEST_F(TokenizerTest, ReadsAFileAndNamesItInErrors) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "gemvec_tiny_tokenizer.json";
  std::ofstream(path) << tiny_.text();
  const auto loaded = Tokenizer::from_file(path);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ(loaded->vocab_size(), tiny_.pieces.size());
  std::ofstream(path) << "{";
  const auto broken = Tokenizer::from_file(path);
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().code, ErrorCode::kBadFormat);
  EXPECT_NE(broken.error().message.find(path.string()), std::string::npos) << broken.error().message;
  std::filesystem::remove(path);
  const auto missing = Tokenizer::from_file(path);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace gemvec
