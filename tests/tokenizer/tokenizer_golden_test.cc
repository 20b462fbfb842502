// The real tokenizer.json: 1,500 strings with the ids that the release's own library gives, literals,
// control strings, and a text of 10 MB. Fails without the model (see tests/support/model_dir.h).
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_to.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "gemvec/tokenizer.h"
#include "support/model_dir.h"

namespace gemvec {
namespace {

using Ids = std::vector<std::int32_t>;

constexpr std::int32_t kFirstByteId = 238;  // <0x00>

class TokenizerGolden : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto loaded = Tokenizer::from_file(testing::model_dir() / "tokenizer.json");
    if (loaded.ok()) {
      tokenizer_.emplace(std::move(loaded).value());
    } else {
      error_ = loaded.error().message;
    }
  }
  static void TearDownTestSuite() { tokenizer_.reset(); }
  void SetUp() override {
    ASSERT_TRUE(tokenizer_.has_value()) << error_ << " Set GEMVEC_MODEL, or run `gemvec pull`.";
  }

  static Encoding encode(std::string_view text, TokenizeOptions options = {}) {
    auto encoding = tokenizer_->encode(text, options);
    EXPECT_TRUE(encoding.ok()) << (encoding.ok() ? "" : encoding.error().message);
    return encoding.ok() ? std::move(encoding).value() : Encoding{};
  }

  // Each token's piece must spell the bytes that its offsets name: a mark for a space, <0x..> for a byte.
  static void expect_pieces_spell(std::string_view text, const Encoding& encoding) {
    std::uint64_t at = 0;
    for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
      const std::int32_t id = encoding.ids[i];
      const ByteRange range = encoding.offsets[i];
      ASSERT_EQ(range.begin, at) << "offsets tile the text";
      ASSERT_LE(range.end, text.size());
      at = range.end;
      const std::string_view bytes = text.substr(range.begin, range.end - range.begin);
      if (id >= kFirstByteId && id < kFirstByteId + 256) {
        ASSERT_EQ(bytes, std::string(1, static_cast<char>(id - kFirstByteId)));
      } else {
        ASSERT_EQ(with_spaces(tokenizer_->piece(id)), with_spaces(bytes));
      }
    }
    ASSERT_EQ(at, text.size());
  }

  static std::string with_spaces(std::string_view piece) {
    std::string out(piece);
    for (std::size_t at = 0; (at = out.find("▁", at)) != std::string::npos;) out.replace(at, 3, " ");
    return out;
  }

  inline static std::optional<Tokenizer> tokenizer_;
  inline static std::string error_;
};

TEST_F(TokenizerGolden, KnowsTheTable) {
  EXPECT_EQ(tokenizer_->vocab_size(), 262144U);
  EXPECT_EQ(tokenizer_->pad_id(), 0);
  EXPECT_EQ(tokenizer_->eos_id(), 1);
  EXPECT_EQ(tokenizer_->bos_id(), 2);
  EXPECT_EQ(tokenizer_->piece(9259), "Hello");
  EXPECT_EQ(tokenizer_->piece(262144), "");
}

// data/fuzz.json: [[text, ids without BOS and EOS], ...], ids by the release's own library.
TEST_F(TokenizerGolden, GivesTheIdsOf1500Strings) {
  const auto text = base::read_file(GEMVEC_SOURCE_DIR "/tests/tokenizer/data/fuzz.json", 1 << 20);
  ASSERT_TRUE(text.ok()) << text.error().message;
  const boost::json::value file = boost::json::parse(*text);
  ASSERT_EQ(file.as_array().size(), 1500U);
  for (const boost::json::value& item : file.as_array()) {
    const std::string string(item.at(0).as_string().c_str(), item.at(0).as_string().size());
    Ids expected;
    for (const boost::json::value& id : item.at(1).as_array()) {
      expected.push_back(static_cast<std::int32_t>(id.as_int64()));
    }
    const Encoding encoding = encode(string, {.max_tokens = 0, .add_bos_eos = false, .offsets = true});
    EXPECT_EQ(encoding.ids, expected) << string;
    expect_pieces_spell(string, encoding);
  }
}

// data/decode.json: [[ids, text, text without special tokens], ...], texts by the release's own library.
TEST_F(TokenizerGolden, DecodesAsTheReleasesLibrary) {
  const auto text = base::read_file(GEMVEC_SOURCE_DIR "/tests/tokenizer/data/decode.json", 1 << 20);
  ASSERT_TRUE(text.ok()) << text.error().message;
  const boost::json::value file = boost::json::parse(*text);
  ASSERT_EQ(file.as_array().size(), 400U);
  for (const boost::json::value& item : file.as_array()) {
    const auto ids = boost::json::value_to<Ids>(item.at(0));
    EXPECT_EQ(tokenizer_->decode(ids, false), boost::json::value_to<std::string>(item.at(1)));
    EXPECT_EQ(tokenizer_->decode(ids, true), boost::json::value_to<std::string>(item.at(2)));
  }
}

TEST_F(TokenizerGolden, GivesKnownIds) {
  const struct {
    std::string text;
    Ids ids;
  } cases[] = {
      {"Hello", {2, 9259, 1}},
      {" Hello ", {2, 26352, 236743, 1}},
      {"a  b", {2, 236746, 138, 236763, 1}},
      {"<b>x</b>", {2, 200, 236781, 209, 1}},
      {"tab\tx", {2, 4823, 255968, 236781, 1}},
      {"line\nx", {2, 1257, 107, 236781, 1}},
      {"é", {2, 236859, 1}},
      {std::string(1, '\0'), {2, 238, 1}},
      {"", {2, 1}},
      {"task: search result | query: ", {2, 8071, 236787, 3927, 1354, 1109, 7609, 236787, 236743, 1}},
      {"task: search result | query: Which planet is known as the Red Planet?",
       {2, 8071, 236787, 3927, 1354, 1109, 7609, 236787, 15311, 13401, 563, 3224, 618, 506, 4855, 38342,
        236881, 1}},
      {"<bos>", {2, 2, 1}},
      {"<eos><pad><unk><mask>", {2, 1, 0, 3, 4, 1}},
      {"<start_of_turn><end_of_turn><start_of_image><end_of_image>", {2, 105, 106, 255999, 256000, 1}},
      {std::string(31, '\n') + "\n\n", {2, 137, 108, 1}},
  };
  for (const auto& [text, ids] : cases) EXPECT_EQ(encode(text).ids, ids) << text;
}

TEST_F(TokenizerGolden, TreatsTheImageTokenBeyondTheTableAsText) {
  const std::string text = "a<image_soft_token>b";
  for (const ControlText control : {ControlText::kParse, ControlText::kText}) {
    const Encoding encoding = encode(text, {.control_text = control, .add_bos_eos = false, .offsets = true});
    for (const std::int32_t id : encoding.ids) EXPECT_LT(id, 262144);
    expect_pieces_spell(text, encoding);
  }
}

TEST_F(TokenizerGolden, KeepsControlStringsOutOfTextIfAsked) {
  const std::string text =
      "<pad><eos><bos><unk><mask>[multimodal]<unused0><unused6241><start_of_turn><end_of_turn>"
      "<start_of_image><end_of_image>";
  const Encoding parsed = encode(text, {.add_bos_eos = false});
  EXPECT_EQ(parsed.ids, (Ids{0, 1, 2, 3, 4, 5, 6, 262143, 105, 106, 255999, 256000}));
  const Encoding plain =
      encode(text, {.control_text = ControlText::kText, .add_bos_eos = false, .offsets = true});
  expect_pieces_spell(text, plain);
  for (const std::int32_t id : plain.ids) {
    for (const std::int32_t control : parsed.ids) EXPECT_NE(id, control);
    EXPECT_TRUE(id > 237 || id > 106) << "neither a reserved id nor a control id";
  }
  // Newlines, tabs, marks and HTML tags are text.
  const std::string text_tokens = "\n\n\t▁▁<table></h6><b>";
  EXPECT_EQ(encode(text_tokens, {.control_text = ControlText::kText}).ids, encode(text_tokens).ids);
}

TEST_F(TokenizerGolden, TruncatesTo2048KeepingEos) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "word ";
  const Encoding encoding = encode(text);
  EXPECT_EQ(encoding.ids.size(), 2048U);
  EXPECT_EQ(encoding.ids.front(), 2);
  EXPECT_EQ(encoding.ids.back(), 1);
  EXPECT_TRUE(encoding.truncated);
  EXPECT_EQ(encoding.total_tokens, 5003U);
}

// Ten megabytes without a place to cut, of the kinds that cost the most. Ids of a run of one letter are
// known: the longest piece of 'a's again and again. That it ends at all within the test's time is the
// other half of the promise: a quadratic merge would need days.
TEST_F(TokenizerGolden, TakesTenMegabytesAsOneText) {
  constexpr std::size_t kBytes = 10'000'000;
  const TokenizeOptions bare = {.max_tokens = 0, .add_bos_eos = false};
  const Ids one = encode("a", bare).ids;
  ASSERT_EQ(one.size(), 1U);
  for (const std::string& unit : {std::string("a"), std::string("<"), std::string("\n"), std::string(" "),
                                  std::string("ab"), std::string("<unused"), std::string("ลา")}) {
    std::string text;
    while (text.size() < kBytes) text += unit;
    TokenizeOptions options = bare;
    options.max_tokens = kMaxTokens;
    const Encoding encoding = encode(text, options);
    EXPECT_EQ(encoding.ids.size(), kMaxTokens);
    EXPECT_TRUE(encoding.truncated);
    EXPECT_LE(encoding.total_tokens, text.size());
    EXPECT_GE(encoding.total_tokens, text.size() / 93) << "no piece has more than 93 bytes";
    // Far from its ends a periodic text has the same number of tokens per byte, however long it is.
    const Encoding tenth =
        encode(std::string_view(text).substr(0, unit.size() * (text.size() / unit.size() / 10)), options);
    const double ratio = static_cast<double>(encoding.total_tokens) / static_cast<double>(tenth.total_tokens);
    EXPECT_NEAR(ratio, 10.0, 0.01) << unit;
  }
}

}  // namespace
}  // namespace gemvec
