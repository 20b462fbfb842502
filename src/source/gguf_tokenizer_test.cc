// The vocabulary of a GGUF file: what it tokenises like, and which flags and lists are refused.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "source/formats.h"
#include "support/temp_dir.h"
#include "support/tiny_gguf.h"

namespace gemvec::source {
namespace {

using testing::gguf_bool;
using testing::gguf_numbers;
using testing::gguf_text;
using testing::gguf_texts;
using testing::gguf_u32;
using testing::GgufFile;

using Ids = std::vector<std::int32_t>;

Result<Tokenizer> open(const GgufFile& file, const testing::TempDir& dir) {
  testing::write_text(dir.path() / "m.gguf", file.bytes());
  return read_tokenizer(dir.path() / "m.gguf");
}

GgufFile tiny() {
  GgufFile file = testing::make_tiny_gguf(testing::make_tiny_model());
  file.tensors.clear();  // a vocabulary needs none
  return file;
}

TEST(GgufTokenizer, ReadsTheVocabularyInTheFile) {
  const testing::TempDir dir;
  const auto tokenizer = open(tiny(), dir);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->vocab_size(), 600U);
  EXPECT_EQ(tokenizer->bos_id(), 2);
  EXPECT_EQ(tokenizer->eos_id(), 1);
  EXPECT_EQ(tokenizer->pad_id(), 0);
  EXPECT_EQ(tokenizer->piece(138), "▁▁") << "the file has two spaces";
  const auto ids = [&](std::string_view text) { return tokenizer->encode(text)->ids; };
  EXPECT_EQ(ids(""), (Ids{2, 1}));
  EXPECT_EQ(ids("<bos>\n\n\n<b>"), (Ids{2, 2, 109, 200, 1})) << "added tokens, as tokenizer.json has them";
  EXPECT_EQ(ids("   "), (Ids{2, 139, 1}));
  EXPECT_EQ(ids("▁▁▁"), (Ids{2, 139, 1}));
  EXPECT_EQ(ids("€"), (Ids{2, 238 + 0xE2, 238 + 0x82, 238 + 0xAC, 1}));
}

// The same words by tokenizer.json's merges, where these are all that the pieces' scores make of them.
TEST(GgufTokenizer, GivesTheIdsOfTokenizerJson) {
  const testing::TempDir dir;
  testing::write_tiny_model(dir.path());
  const auto tokenizer = open(tiny(), dir);
  const auto expected = Tokenizer::from_file(dir.path() / "tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  ASSERT_TRUE(expected.ok()) << expected.error().message;
  for (const char* text :
       {"query: the task", "none  of \t these", "<eos> <unused3>", "日本 😀 ÿ", "a\n\nb▁▁c"})
    EXPECT_EQ(tokenizer->encode(text)->ids, expected->encode(text)->ids) << text;
}

TEST(GgufTokenizer, TakesFlagsThatAreAbsentForEmbeddingGemmas) {
  const testing::TempDir dir;
  GgufFile file = tiny();
  for (const char* key : {"pre", "add_bos_token", "add_eos_token", "add_space_prefix", "bos_token_id",
                          "eos_token_id", "padding_token_id"})
    file.remove(std::string("tokenizer.ggml.") + key);
  const auto tokenizer = open(file, dir);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->encode("a")->ids.size(), 3U);
}

TEST(GgufTokenizer, ReadsTokenizerJsonToo) {
  const testing::TempDir dir;
  testing::write_tiny_model(dir.path());
  EXPECT_TRUE(read_tokenizer(dir.path() / "tokenizer.json").ok());
  EXPECT_EQ(read_tokenizer(dir.path() / "none.gguf").error().code, ErrorCode::kNotFound);
}

TEST(GgufTokenizer, RefusesOtherTokenizers) {
  const struct {
    const char* key;
    std::string value;
    ErrorCode code;
    const char* message;
  } cases[] = {
      {"model", gguf_text("gpt2"), ErrorCode::kUnsupported,
       "expected \"llama\", SentencePiece's (the file was made without tokenizer.model), found \"gpt2\"."},
      {"model", gguf_text("bert"), ErrorCode::kUnsupported,
       "expected \"llama\", SentencePiece's, found \"bert\"."},
      {"model", gguf_u32(1), ErrorCode::kBadFormat, "expected a string, found 1."},
      {"pre", gguf_text("llama-bpe"), ErrorCode::kUnsupported, "expected \"default\", found \"llama-bpe\"."},
      {"add_bos_token", gguf_bool(false), ErrorCode::kUnsupported, "expected true, found false."},
      {"add_eos_token", gguf_bool(false), ErrorCode::kUnsupported, "expected true, found false."},
      {"add_space_prefix", gguf_bool(true), ErrorCode::kUnsupported, "expected false, found true."},
      {"add_eos_token", gguf_u32(1), ErrorCode::kBadFormat, "expected true, found 1."},
      {"remove_extra_whitespaces", gguf_bool(true), ErrorCode::kUnsupported, "expected false, found true."},
      {"precompiled_charsmap", gguf_numbers<std::uint8_t>(0, {1, 2}), ErrorCode::kUnsupported,
       "expected no normalisation, found an array of 2 numbers."},
      {"eos_token_id", gguf_u32(106), ErrorCode::kUnsupported, "expected 1, found 106."},
      {"bos_token_id", gguf_text("<bos>"), ErrorCode::kBadFormat, "expected 2, found \"<bos>\"."},
      {"padding_token_id", gguf_u32(1), ErrorCode::kUnsupported, "expected 0, found 1."},
      {"tokens", gguf_numbers<float>(6, {1}), ErrorCode::kBadFormat,
       "expected an array of strings, found an array of 1 numbers."},
      {"scores", gguf_text(""), ErrorCode::kBadFormat, "expected an array of fp32 numbers, found \"\"."},
      {"token_type", gguf_texts({"1"}), ErrorCode::kBadFormat,
       "expected an array of whole numbers, found an array of 1 strings."},
  };
  for (const auto& bad : cases) {
    const testing::TempDir dir;
    GgufFile file = tiny();
    file.set(std::string("tokenizer.ggml.") + bad.key, bad.value);
    const auto tokenizer = open(file, dir);
    ASSERT_FALSE(tokenizer.ok()) << bad.key;
    EXPECT_EQ(tokenizer.error().code, bad.code) << bad.key;
    EXPECT_EQ(tokenizer.error().message,
              (dir.path() / "m.gguf").string() + ": tokenizer.ggml." + bad.key + ": " + bad.message);
  }
}

}  // namespace
}  // namespace gemvec::source
