// Thousands of random texts under random tokenizers: the same tokens as the plainest form of the
// algorithm gives, and what must hold of offsets and truncation.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "gemvec/tokenizer.h"
#include "tokenizer/tiny_tokenizer.h"

namespace gemvec {
namespace {

using testing::Merges;
using testing::random_tokenizer;
using testing::reference_encode;
using testing::ReferenceToken;
using testing::TinyTokenizer;

// Bits of words of the vocabulary, of control strings, of words outside it, and broken UTF-8.
std::string random_text(std::mt19937& bits, std::size_t parts) {
  static const std::vector<std::string> kParts = {
      "a",     "b",         "c",
      " ",     "  ",        "▁",
      "▁▁",    "\n",        "\n\n\n",
      "\t\t",  "<",         ">",
      "<b>",   "é",         "界",
      "😀",     "Ж",         "\xFF",
      "ab",    "ba",        "abc",
      "aaaa",  "a b",       "<bos>",
      "</b>",  "<unused0>", "<b",
      "<eos>", "<mask>",    "\xD0",
      "\x96",  "c ",        "\xE2",
      "",      "�",         "cc",
      "<unk",  "<pad>",     "<start_of_turn>",
  };
  std::string text;
  // Few different parts make long runs that merge; many make short ones.
  const std::size_t choice = 1 + bits() % kParts.size();
  const std::size_t first = bits() % kParts.size();
  for (std::size_t i = 0; i < parts; ++i) text += kParts[(first + bits() % choice) % kParts.size()];
  return text;
}

std::string show(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      out += c;
    } else {
      constexpr std::string_view kHex = "0123456789ABCDEF";
      out += std::string("\\x") + kHex[byte >> 4] + kHex[byte & 15];
    }
  }
  return out;
}

std::vector<std::int32_t> ids_of(const std::vector<ReferenceToken>& tokens) {
  std::vector<std::int32_t> ids;
  ids.reserve(tokens.size());
  for (const ReferenceToken& token : tokens) ids.push_back(token.id);
  return ids;
}

std::vector<ByteRange> offsets_of(const std::vector<ReferenceToken>& tokens) {
  std::vector<ByteRange> offsets;
  offsets.reserve(tokens.size());
  for (const ReferenceToken& token : tokens) offsets.push_back({token.begin, token.end});
  return offsets;
}

void compare(const TinyTokenizer& tiny, const Tokenizer& tokenizer, const std::string& text,
             ControlText control) {
  const auto expected = reference_encode(tiny, text, control == ControlText::kParse);
  TokenizeOptions options;
  options.max_tokens = 0;
  options.add_bos_eos = false;
  options.offsets = true;
  options.control_text = control;
  const auto encoding = tokenizer.encode(text, options);
  ASSERT_TRUE(encoding.ok());
  ASSERT_EQ(encoding->ids, ids_of(expected)) << show(text);
  ASSERT_EQ(encoding->offsets, offsets_of(expected)) << show(text);
}

TEST(TokenizerRandom, AgreesWithThePlainAlgorithm) {
  std::mt19937 bits(20250101);
  for (int round = 0; round < 60; ++round) {
    const TinyTokenizer tiny = random_tokenizer(bits, round % 3 == 2 ? Merges::kBytes : Merges::kText);
    const auto tokenizer = Tokenizer::from_json(tiny.text(round % 2 == 1));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
    for (int i = 0; i < 120; ++i) {
      const std::string text = random_text(bits, i % 20 == 0 ? 200 : 1 + bits() % 30);
      compare(tiny, *tokenizer, text, ControlText::kParse);
      compare(tiny, *tokenizer, text, ControlText::kText);
      if (HasFatalFailure()) return;
    }
  }
}

// A run of symbols without a place to cut, of every length around 64, where the merger changes from one
// way of searching to the other: letters at random, one letter, and short periods.
TEST(TokenizerRandom, AgreesOnRunsOfEveryLength) {
  std::mt19937 bits(7);
  for (int round = 0; round < 12; ++round) {
    const TinyTokenizer tiny = random_tokenizer(bits, Merges::kDense);
    const auto tokenizer = Tokenizer::from_json(tiny.text());
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
    for (std::size_t length = 1; length < 200; ++length) {
      const std::size_t period = length % 3 == 0 ? length : 1 + bits() % 9;
      std::string text;
      for (std::size_t i = 0; i < length; ++i) text += i < period ? "ab"[bits() % 2] : text[i - period];
      compare(tiny, *tokenizer, text, ControlText::kParse);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(TokenizerRandom, TruncatesToAPartOfTheWholeEncoding) {
  std::mt19937 bits(3);
  const TinyTokenizer tiny = random_tokenizer(bits, Merges::kText);
  const auto tokenizer = Tokenizer::from_json(tiny.text());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  for (int i = 0; i < 500; ++i) {
    const std::string text = random_text(bits, bits() % 40);
    TokenizeOptions options;
    options.max_tokens = 0;
    options.offsets = true;
    const auto whole = tokenizer->encode(text, options);
    ASSERT_TRUE(whole.ok());
    EXPECT_EQ(whole->total_tokens, whole->ids.size());
    EXPECT_FALSE(whole->truncated);
    options.max_tokens = 2 + bits() % 20;
    const std::size_t kept = std::min(options.max_tokens, whole->ids.size()) - 2;
    for (const Truncate truncate : {Truncate::kRight, Truncate::kLeft}) {
      options.truncate = truncate;
      const auto part = tokenizer->encode(text, options);
      ASSERT_TRUE(part.ok());
      const std::size_t skipped = truncate == Truncate::kLeft ? whole->ids.size() - 2 - kept : 0;
      std::vector<std::int32_t> ids = {tokenizer->bos_id()};
      std::vector<ByteRange> offsets = {{0, 0}};
      for (std::size_t t = 1 + skipped; t < 1 + skipped + kept; ++t) {
        ids.push_back(whole->ids[t]);
        offsets.push_back(whole->offsets[t]);
      }
      ids.push_back(tokenizer->eos_id());
      offsets.push_back({text.size(), text.size()});
      EXPECT_EQ(part->ids, ids) << show(text);
      EXPECT_EQ(part->offsets, offsets) << show(text);
      EXPECT_EQ(part->total_tokens, whole->total_tokens);
      EXPECT_EQ(part->truncated, whole->ids.size() > options.max_tokens);
    }
  }
}

TEST(TokenizerRandom, CountsEachMaximalInvalidPart) {
  std::mt19937 bits(11);
  const auto tokenizer = Tokenizer::from_json(testing::tiny_tokenizer().text());
  ASSERT_TRUE(tokenizer.ok());
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (std::size_t n = bits() % 12; n > 0; --n) text += static_cast<char>(bits());
    std::size_t invalid = 0;
    for (std::size_t at = 0; at < text.size();) {
      const base::CodePoint code_point = base::decode_utf8(text, at);
      invalid += code_point.valid ? 0 : 1;
      at += code_point.size;
    }
    const auto encoding = tokenizer->encode(text);
    ASSERT_TRUE(encoding.ok());
    EXPECT_EQ(encoding->invalid_sequences, invalid) << show(text);
  }
}

}  // namespace
}  // namespace gemvec
