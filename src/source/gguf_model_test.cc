// GGUF files as models: a good one opens in every form it may have, and each bad one is refused with a
// message that names the file, the key or tensor, and what was expected.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>

#include "formats/ggml_blocks.h"
#include "source/gguf_config.h"
#include "source/model_source.h"
#include "support/number_types.h"
#include "support/temp_dir.h"
#include "support/tiny_gguf.h"

namespace gemvec::source {
namespace {

using formats::GgmlType;
using testing::gguf_bool;
using testing::gguf_f32;
using testing::gguf_numbers;
using testing::gguf_raw;
using testing::gguf_text;
using testing::gguf_u32;
using testing::GgufFile;
using testing::make_tiny_gguf;
using testing::make_tiny_model;
using testing::TempDir;
using testing::TinyModel;

const std::string kAt = "gemma-embedding.";

Result<ModelSource> open(const GgufFile& file, const TempDir& dir, const OpenOptions& options = {}) {
  testing::write_text(dir.path() / "m.gguf", file.bytes());
  return open_model(dir.path() / "m.gguf", options);
}

std::vector<float> numbers(const model::RawTensor& raw, std::size_t row = 0) {
  std::vector<float> out(raw.cols);
  switch (raw.type) {
    case model::RawType::kF32:
      std::memcpy(out.data(), raw.data + row * raw.cols * 4, raw.cols * 4);
      break;
    case model::RawType::kRows:
      raw.reader->read(row, out.data());
      break;
    default:
      for (std::size_t i = 0; i < raw.cols; ++i) {
        std::uint16_t word = 0;
        std::memcpy(&word, raw.data + (row * raw.cols + i) * 2, 2);
        out[i] = raw.type == model::RawType::kBf16 ? testing::from_bf16(word) : testing::from_f16(word);
      }
  }
  return out;
}

// Matrices of this type instead of fp32.
void encode_matrices(GgufFile& file, GgmlType type) {
  for (auto& tensor : file.tensors) {
    if (tensor.shape.size() != 2) continue;
    const std::size_t n = tensor.shape[0] * tensor.shape[1];
    std::vector<float> x(n);
    std::memcpy(x.data(), tensor.bytes.data(), n * sizeof(float));
    tensor.bytes.assign(formats::ggml_row_bytes(type, n), '\0');
    formats::ggml_encode_row(type, x.data(), n, reinterpret_cast<std::byte*>(tensor.bytes.data()));
    tensor.type = static_cast<std::uint32_t>(type);
  }
}

TEST(GgufModel, OpensATinyModelWithItsNumbersAndShapes) {
  const TempDir dir;
  const auto source = open(make_tiny_gguf(make_tiny_model()), dir);
  ASSERT_TRUE(source.ok()) << source.error().message;
  const auto& c = source->config;
  EXPECT_EQ(c.layers, 7U);
  EXPECT_EQ(c.width, 64U);
  EXPECT_EQ(c.heads, 3U);
  EXPECT_EQ(c.head_dim, 32U);
  EXPECT_EQ(c.ffn, 96U);
  EXPECT_EQ(c.dense_width, 128U);
  EXPECT_EQ(c.vocab, 600U);
  EXPECT_EQ(c.max_tokens, 2048U);
  EXPECT_EQ(c.window, 8U);
  EXPECT_EQ(c.full_attention, (std::vector<bool>{false, false, false, false, false, true, false}));
  EXPECT_EQ(c.eps, 1e-6F);
  EXPECT_EQ(c.query_scale, static_cast<float>(1 / std::sqrt(32.0)));
  EXPECT_EQ(c.rope_theta_full, 1e6);
  EXPECT_EQ(c.rope_theta_sliding, 1e4);
  EXPECT_TRUE(source->notes.empty());
  EXPECT_EQ(source->format, Format::kGguf);
  EXPECT_EQ(source->numbers, "fp32");
  EXPECT_EQ(source->folder, dir.path());
  EXPECT_EQ(source->tokenizer, dir.path() / "m.gguf");
  ASSERT_EQ(source->files.size(), 1U);
  EXPECT_EQ(source->weight_bytes, std::filesystem::file_size(dir.path() / "m.gguf"));
}

TEST(GgufModel, IsFoundInItsFolder) {
  const TempDir dir;
  ASSERT_TRUE(open(make_tiny_gguf(make_tiny_model()), dir).ok());
  const auto source = open_model(dir.path());
  ASSERT_TRUE(source.ok()) << source.error().message;
  EXPECT_EQ(source->format, Format::kGguf);
}

void expect_rows(const model::RawTensor& raw, const testing::TinyTensor& tensor) {
  ASSERT_EQ(raw.rows, tensor.shape[0]) << tensor.name;
  ASSERT_EQ(raw.cols, tensor.shape[1]) << tensor.name;
  for (std::size_t row = 0; row < raw.rows; ++row) {
    ASSERT_EQ(std::memcmp(numbers(raw, row).data(), tensor.bytes.data() + row * raw.cols * 4, raw.cols * 4),
              0)
        << tensor.name;
  }
}

void expect_norm(const model::RawTensor& raw, const testing::TinyTensor& tensor) {
  EXPECT_TRUE(raw.one_added) << tensor.name;
  ASSERT_EQ(raw.cols, tensor.shape[0]) << tensor.name;
  for (std::size_t i = 0; i < raw.cols; ++i) {
    float w = 0;
    std::memcpy(&w, tensor.bytes.data() + i * 4, 4);
    ASSERT_EQ(numbers(raw)[i], 1.0F + w) << tensor.name;
  }
}

TEST(GgufModel, GivesEveryTensorItsPlace) {
  const TempDir dir;
  TinyModel tiny = make_tiny_model({.seed = 3});
  const auto source = open(make_tiny_gguf(tiny), dir);
  ASSERT_TRUE(source.ok()) << source.error().message;
  const auto& w = source->weights;
  expect_rows(w.embedding, tiny.tensor("embed_tokens.weight"));
  expect_norm(w.final_norm, tiny.tensor("norm.weight"));
  expect_rows(w.dense2, tiny.dense2_tensors[0]);
  expect_rows(w.dense3, tiny.dense3_tensors[0]);
  ASSERT_EQ(w.layers.size(), 7U);
  for (std::size_t i = 0; i < w.layers.size(); ++i) {
    const auto& layer = w.layers[i];
    const auto tensor = [&](const std::string& name) -> const testing::TinyTensor& {
      return tiny.tensor("layers." + std::to_string(i) + "." + name + ".weight");
    };
    expect_norm(layer.input_norm, tensor("input_layernorm"));
    expect_norm(layer.post_attention_norm, tensor("post_attention_layernorm"));
    expect_norm(layer.pre_ffn_norm, tensor("pre_feedforward_layernorm"));
    expect_norm(layer.post_ffn_norm, tensor("post_feedforward_layernorm"));
    expect_norm(layer.q_norm, tensor("self_attn.q_norm"));
    expect_norm(layer.k_norm, tensor("self_attn.k_norm"));
    expect_rows(layer.q, tensor("self_attn.q_proj"));
    expect_rows(layer.k, tensor("self_attn.k_proj"));
    expect_rows(layer.v, tensor("self_attn.v_proj"));
    expect_rows(layer.o, tensor("self_attn.o_proj"));
    expect_rows(layer.gate, tensor("mlp.gate_proj"));
    expect_rows(layer.up, tensor("mlp.up_proj"));
    expect_rows(layer.down, tensor("mlp.down_proj"));
  }
}

TEST(GgufModel, ReadsRowsOfBlocks) {
  const TinyModel tiny = make_tiny_model();
  const GgufFile plain = make_tiny_gguf(tiny);
  for (const auto& [type, name] : {std::pair(GgmlType::kQ4_0, "Q4_0"),
                                   {GgmlType::kQ8_0, "Q8_0"},
                                   {GgmlType::kF16, "fp16"},
                                   {GgmlType::kBf16, "bf16"}}) {
    const TempDir dir;
    GgufFile file = plain;
    encode_matrices(file, type);
    const auto source = open(file, dir);
    ASSERT_TRUE(source.ok()) << source.error().message;
    EXPECT_EQ(source->numbers, name);
    const auto& down = source->weights.layers[2].down;
    const std::string& bytes = file.find("blk.2.ffn_down.weight")->bytes;
    std::vector<float> expected(down.cols);
    for (std::size_t row = 0; row < down.rows; ++row) {
      formats::ggml_decode_row(
          type,
          reinterpret_cast<const std::byte*>(bytes.data()) + row * formats::ggml_row_bytes(type, down.cols),
          down.cols, expected.data());
      ASSERT_EQ(numbers(down, row), expected) << name << " row " << row;
    }
  }
}

TEST(GgufModel, NamesTheTypesOfTheLinearLayersByWeight) {
  const TempDir dir;
  GgufFile file = make_tiny_gguf(make_tiny_model());
  encode_matrices(file, GgmlType::kQ8_0);
  auto& table = *file.find("token_embd.weight");
  table.type = 0;  // a table says nothing of the linear layers
  table.bytes.assign(600 * 64 * 4, '\0');
  auto& value = *file.find("blk.0.attn_v.weight");
  value.type = 2;
  value.bytes.assign(64 * 32 / 32 * 18, '\0');
  const auto source = open(file, dir);
  ASSERT_TRUE(source.ok()) << source.error().message;
  EXPECT_EQ(source->numbers, "Q8_0 and Q4_0");
}

// "gemma3" with dense.0 and dense.1.
GgufFile ollama_variant(GgufFile file) {
  for (auto& [key, value] : file.keys) {
    if (key.starts_with(kAt)) key = "gemma3." + key.substr(kAt.size());
  }
  file.set("general.architecture", gguf_text("gemma3"));
  file.find("dense_2.weight")->name = "dense.0.weight";
  file.find("dense_3.weight")->name = "dense.1.weight";
  return file;
}

TEST(GgufModel, OpensTheVariantThatCallsItselfGemma3) {
  const TempDir dir;
  TinyModel tiny = make_tiny_model();
  const auto source = open(ollama_variant(make_tiny_gguf(tiny)), dir);
  ASSERT_TRUE(source.ok()) << source.error().message;
  expect_rows(source->weights.dense2, tiny.dense2_tensors[0]);
  expect_rows(source->weights.dense3, tiny.dense3_tensors[0]);
}

TEST(GgufModel, TakesTheExactNormsThatGemvecWrote) {
  TinyModel tiny = make_tiny_model();
  const std::vector<float> weights = testing::norm_weights(tiny);
  GgufFile file = make_tiny_gguf(tiny);
  file.set("gemvec.norm_weights", gguf_numbers(6, weights));
  {
    const TempDir dir;
    const auto source = open(file, dir);
    ASSERT_TRUE(source.ok()) << source.error().message;
    EXPECT_TRUE(source->notes.empty());
    const auto& q_norm = source->weights.layers[6].q_norm;
    EXPECT_FALSE(q_norm.one_added);
    EXPECT_EQ(std::memcmp(numbers(q_norm).data(),
                          tiny.tensor("layers.6.self_attn.q_norm.weight").bytes.data(), 128),
              0);
    EXPECT_EQ(
        std::memcmp(numbers(source->weights.final_norm).data(), tiny.tensor("norm.weight").bytes.data(), 256),
        0);
  }
  // Ones that are not what the tensors were made of, or not as many, are left alone.
  auto other = weights;
  other[70] += 0.5F;
  for (const auto& value :
       {gguf_numbers(6, other), gguf_numbers(6, std::vector<float>(weights.begin() + 1, weights.end())),
        gguf_text("none")}) {
    const TempDir dir;
    file.set("gemvec.norm_weights", value);
    const auto source = open(file, dir);
    ASSERT_TRUE(source.ok()) << source.error().message;
    ASSERT_EQ(source->notes.size(), 1U);
    EXPECT_NE(source->notes[0].find("gemvec.norm_weights: "), std::string::npos) << source->notes[0];
    EXPECT_TRUE(source->weights.layers[0].input_norm.one_added);
  }
}

TEST(GgufModel, TakesAFileWithoutDenseLayersOnlyIfAsked) {
  const TempDir dir;
  GgufFile file = make_tiny_gguf(make_tiny_model());
  file.tensors.resize(file.tensors.size() - 2);
  const auto refused = open(file, dir);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kBadFormat);
  EXPECT_NE(
      refused.error().message.find("m.gguf: tensor dense_2.weight: not found: the file was made without the "
                                   "two dense layers behind the mean"),
      std::string::npos)
      << refused.error().message;
  const auto source = open(file, dir, {.allow_headless = true});
  ASSERT_TRUE(source.ok()) << source.error().message;
  EXPECT_EQ(source->config.dense_width, 0U);
  ASSERT_EQ(source->notes.size(), 1U);
  EXPECT_NE(source->notes[0].find("has no dense layers"), std::string::npos);
}

TEST(GgufModel, LeavesTheHeadOfALanguageModelAlone) {
  const TempDir dir;
  GgufFile file = make_tiny_gguf(make_tiny_model());
  auto head = *file.find("token_embd.weight");
  head.name = "output.weight";
  file.tensors.push_back(head);
  EXPECT_TRUE(open(file, dir).ok());
}

// Only the keys: the release's dimensions without its gigabyte.
Result<GgufConfig> release_config(const std::function<void(GgufFile&)>& change) {
  GgufFile file;
  file.set("general.architecture", gguf_text("gemma-embedding"));
  for (const auto& [key, value] : {std::pair("context_length", 2048U),
                                   {"embedding_length", 768U},
                                   {"block_count", 24U},
                                   {"feed_forward_length", 1152U},
                                   {"attention.head_count", 3U},
                                   {"attention.head_count_kv", 1U},
                                   {"attention.key_length", 256U},
                                   {"attention.value_length", 256U},
                                   {"attention.sliding_window", 512U},
                                   {"pooling_type", 1U}})
    file.set(kAt + key, gguf_u32(value));
  file.set(kAt + "attention.layer_norm_rms_epsilon", gguf_f32(1e-6F));
  file.set(kAt + "rope.freq_base", gguf_f32(1e6F));
  change(file);
  const std::string bytes = file.bytes();
  const auto gguf = formats::Gguf::parse(std::as_bytes(std::span(bytes)), "m.gguf");
  EXPECT_TRUE(gguf.ok());
  return read_gguf_config(*gguf, "m.gguf");
}

TEST(GgufModel, ReadsTheReleasesKeys) {
  const auto config = release_config([](GgufFile&) {});
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->config.window, 256U);
  EXPECT_EQ(config->config.query_scale, 0.0625F);
  for (std::size_t layer = 0; layer < 24; ++layer)
    EXPECT_EQ(config->config.full_attention[layer], layer % 6 == 5);
}

TEST(GgufModel, RepairsAHalvedWindow) {
  const auto with_window = [](std::uint32_t window) {
    return release_config([=](GgufFile& f) { f.set(kAt + "attention.sliding_window", gguf_u32(window)); });
  };
  for (const std::uint32_t window : {257U, 129U}) {
    const auto config = with_window(window);
    ASSERT_TRUE(config.ok()) << config.error().message;
    EXPECT_EQ(config->config.window, 256U);
    ASSERT_EQ(config->notes.size(), 1U);
    EXPECT_EQ(config->notes[0], "m.gguf: gemma-embedding.attention.sliding_window is " +
                                    std::to_string(window) +
                                    ", a 512 that was halved before the file was made; 512 is used.");
  }
  const auto config = with_window(256);
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.error().message,
            "m.gguf: gemma-embedding.attention.sliding_window: expected 512, EmbeddingGemma's, found 256.");
}

TEST(GgufModel, ReadsWhichLayersSlide) {
  std::vector<std::uint8_t> slides(24, 1);
  slides[3] = slides[23] = 0;
  const auto by_array = release_config(
      [&](GgufFile& f) { f.set(kAt + "attention.sliding_window_pattern", gguf_numbers(7, slides)); });
  ASSERT_TRUE(by_array.ok()) << by_array.error().message;
  for (std::size_t layer = 0; layer < 24; ++layer)
    EXPECT_EQ(by_array->config.full_attention[layer], slides[layer] == 0);
  const auto by_number =
      release_config([](GgufFile& f) { f.set(kAt + "attention.sliding_window_pattern", gguf_u32(4)); });
  ASSERT_TRUE(by_number.ok()) << by_number.error().message;
  for (std::size_t layer = 0; layer < 24; ++layer)
    EXPECT_EQ(by_number->config.full_attention[layer], layer % 4 == 3);
}

TEST(GgufModel, TakesOptionalKeysThatSayWhatIsSoAnyway) {
  const auto config = release_config([](GgufFile& f) {
    f.set(kAt + "rope.freq_base_swa", gguf_f32(2e4F));
    f.set(kAt + "attention.causal", gguf_bool(false));
    f.set(kAt + "attention.scale", gguf_f32(0.0625F));
    f.set(kAt + "rope.dimension_count", gguf_u32(256));
    f.set(kAt + "rope.scaling.type", gguf_text("none"));
    f.set("split.count", gguf_raw<std::uint32_t>(2) + gguf_raw<std::uint16_t>(0));
  });
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->config.rope_theta_sliding, 2e4);
}

struct BadGguf {
  const char* title;
  std::function<void(GgufFile&)> damage;
  ErrorCode code;
  const char* message;
};
class GgufModelBad : public ::testing::TestWithParam<BadGguf> {};

TEST_P(GgufModelBad, IsRefusedWithAMessage) {
  const TempDir dir;
  GgufFile file = make_tiny_gguf(make_tiny_model());
  GetParam().damage(file);
  const auto source = open(file, dir);
  ASSERT_FALSE(source.ok());
  EXPECT_EQ(source.error().code, GetParam().code);
  EXPECT_EQ(source.error().message, (dir.path() / "m.gguf").string() + ": " + GetParam().message);
}

template <class T>
void put_last(GgufFile& file, const char* name, T value) {
  std::string& bytes = file.find(name)->bytes;
  std::memcpy(bytes.data() + bytes.size() - sizeof(T), &value, sizeof(T));
}

const BadGguf kBadKeys[] = {
    {"NoArchitecture", [](GgufFile& f) { f.remove("general.architecture"); }, ErrorCode::kBadFormat,
     "general.architecture: expected a string, found nothing."},
    {"AnotherArchitecture", [](GgufFile& f) { f.set("general.architecture", gguf_text("nomic-bert")); },
     ErrorCode::kUnsupported,
     "general.architecture: expected \"gemma-embedding\", EmbeddingGemma's (or \"gemma3\" with tensors "
     "dense.0.weight and dense.1.weight), found \"nomic-bert\"."},
    {"LanguageModel", [](GgufFile& f) { f.set("general.architecture", gguf_text("gemma3")); },
     ErrorCode::kUnsupported,
     "general.architecture: expected \"gemma-embedding\", EmbeddingGemma's (or \"gemma3\" with tensors "
     "dense.0.weight and dense.1.weight), found \"gemma3\"."},
    {"OnePartOfThree", [](GgufFile& f) { f.set("split.count", gguf_u32(3)); }, ErrorCode::kUnsupported,
     "split.count: expected a model in one file (llama-gguf-split --merge makes it), found 3."},
    {"NoWidth", [](GgufFile& f) { f.remove(kAt + "embedding_length"); }, ErrorCode::kBadFormat,
     "gemma-embedding.embedding_length: expected a whole number from 32 to 65536, found nothing."},
    {"OddWidth", [](GgufFile& f) { f.set(kAt + "feed_forward_length", gguf_u32(100)); },
     ErrorCode::kUnsupported, "gemma-embedding.feed_forward_length: expected a multiple of 32, found 100."},
    {"WidthAsText", [](GgufFile& f) { f.set(kAt + "embedding_length", gguf_text("64")); },
     ErrorCode::kBadFormat,
     "gemma-embedding.embedding_length: expected a whole number from 32 to 65536, found \"64\"."},
    {"NoLayers", [](GgufFile& f) { f.set(kAt + "block_count", gguf_u32(0)); }, ErrorCode::kBadFormat,
     "gemma-embedding.block_count: expected a whole number from 1 to 256, found 0."},
    {"TwoKeyHeads", [](GgufFile& f) { f.set(kAt + "attention.head_count_kv", gguf_u32(2)); },
     ErrorCode::kUnsupported, "gemma-embedding.attention.head_count_kv: expected 1, found 2."},
    {"ValuesOfAnotherSize", [](GgufFile& f) { f.set(kAt + "attention.value_length", gguf_u32(64)); },
     ErrorCode::kUnsupported,
     "gemma-embedding.attention.value_length: expected 32, attention.key_length, found 64."},
    {"NoEpsilon", [](GgufFile& f) { f.set(kAt + "attention.layer_norm_rms_epsilon", gguf_f32(0)); },
     ErrorCode::kBadFormat,
     "gemma-embedding.attention.layer_norm_rms_epsilon: expected a number above 1e-12 and up to 0.01, found "
     "0."},
    {"EpsilonIsNan",
     [](GgufFile& f) {
       f.set(kAt + "attention.layer_norm_rms_epsilon", gguf_f32(std::numeric_limits<float>::quiet_NaN()));
     },
     ErrorCode::kBadFormat,
     "gemma-embedding.attention.layer_norm_rms_epsilon: expected a number above 1e-12 and up to 0.01, found "
     "nan."},
    {"LastTokenPooling", [](GgufFile& f) { f.set(kAt + "pooling_type", gguf_u32(3)); },
     ErrorCode::kUnsupported, "gemma-embedding.pooling_type: expected 1, the mean over the tokens, found 3."},
    {"NoPooling", [](GgufFile& f) { f.remove(kAt + "pooling_type"); }, ErrorCode::kBadFormat,
     "gemma-embedding.pooling_type: expected a whole number from 0 to 255, found nothing."},
    {"Causal", [](GgufFile& f) { f.set(kAt + "attention.causal", gguf_bool(true)); }, ErrorCode::kUnsupported,
     "gemma-embedding.attention.causal: expected false, found true."},
    {"SoftCapping", [](GgufFile& f) { f.set(kAt + "attn_logit_softcapping", gguf_f32(50)); },
     ErrorCode::kUnsupported, "gemma-embedding.attn_logit_softcapping: expected 0, found 50."},
    {"AnotherScale", [](GgufFile& f) { f.set(kAt + "attention.scale", gguf_f32(1)); },
     ErrorCode::kUnsupported, "gemma-embedding.attention.scale: expected 0.17677669, found 1."},
    {"PartialRope", [](GgufFile& f) { f.set(kAt + "rope.dimension_count", gguf_u32(16)); },
     ErrorCode::kUnsupported, "gemma-embedding.rope.dimension_count: expected 32, found 16."},
    {"ScaledRope", [](GgufFile& f) { f.set(kAt + "rope.scaling.type", gguf_text("yarn")); },
     ErrorCode::kUnsupported, "gemma-embedding.rope.scaling.type: expected \"none\", found \"yarn\"."},
    {"RopeFactor", [](GgufFile& f) { f.set(kAt + "rope.scaling.factor", gguf_f32(8)); },
     ErrorCode::kUnsupported, "gemma-embedding.rope.scaling.factor: expected 1, found 8."},
    {"NoRope", [](GgufFile& f) { f.remove(kAt + "rope.freq_base"); }, ErrorCode::kBadFormat,
     "gemma-embedding.rope.freq_base: expected a number above 1 and up to 1000000000, found nothing."},
    {"NoWindow", [](GgufFile& f) { f.remove(kAt + "attention.sliding_window"); }, ErrorCode::kBadFormat,
     "gemma-embedding.attention.sliding_window: expected a whole number from 2 to 16777216, found nothing."},
    {"PatternOfFewLayers",
     [](GgufFile& f) {
       f.set(kAt + "attention.sliding_window_pattern", gguf_numbers<std::uint8_t>(7, {1, 0}));
     },
     ErrorCode::kBadFormat,
     "gemma-embedding.attention.sliding_window_pattern: expected a number, or true or false for each of 7 "
     "layers, "
     "found an array of 2 numbers."},
    {"AnotherVocabulary", [](GgufFile& f) { f.set(kAt + "vocab_size", gguf_u32(500)); },
     ErrorCode::kUnsupported, "gemma-embedding.vocab_size: expected 600, found 500."},
    {"DenseOfAnotherSize", [](GgufFile& f) { f.set(kAt + "dense_2_feat_out", gguf_u32(3072)); },
     ErrorCode::kUnsupported, "gemma-embedding.dense_2_feat_out: expected 128, found 3072."},
};

const BadGguf kBadTensors[] = {
    {"MissingTensor", [](GgufFile& f) { f.find("blk.3.attn_k.weight")->name = "blk.3.attn_kk.weight"; },
     ErrorCode::kBadFormat, "tensor blk.3.attn_k.weight: not found; expected shape [64, 32]."},
    {"MissingNorm",
     [](GgufFile& f) { std::erase_if(f.tensors, [](auto& t) { return t.name == "output_norm.weight"; }); },
     ErrorCode::kBadFormat, "tensor output_norm.weight: not found; expected shape [64]."},
    {"ExtraTensor",
     [](GgufFile& f) {
       f.tensors.push_back({"blk.7.attn_norm.weight", {64}, 0, std::string(256, '\0')});
     },
     ErrorCode::kUnsupported,
     "tensor \"blk.7.attn_norm.weight\": expected only the tensors of EmbeddingGemma."},
    {"Bias",
     [](GgufFile& f) {
       f.tensors.push_back({"blk.0.attn_q.bias", {96}, 0, std::string(384, '\0')});
     },
     ErrorCode::kUnsupported, "tensor \"blk.0.attn_q.bias\": expected only the tensors of EmbeddingGemma."},
    {"Transposed",
     [](GgufFile& f) {
       f.find("blk.0.ffn_up.weight")->shape = {96, 64};
     },
     ErrorCode::kBadFormat, "tensor blk.0.ffn_up.weight: expected shape [64, 96], found [96, 64]."},
    {"NormAsMatrix",
     [](GgufFile& f) {
       f.find("blk.0.attn_norm.weight")->shape = {64, 1};
     },
     ErrorCode::kBadFormat, "tensor blk.0.attn_norm.weight: expected shape [64], found [64, 1]."},
    {"QuantisedNorm",
     [](GgufFile& f) {
       auto& norm = *f.find("blk.0.attn_norm.weight");
       norm.type = 8;
       norm.bytes.resize(68);
     },
     ErrorCode::kUnsupported,
     "tensor blk.0.attn_norm.weight: expected the type F32, BF16 or F16, found Q8_0."},
    {"NanInANorm",
     [](GgufFile& f) { put_last(f, "blk.1.attn_q_norm.weight", std::numeric_limits<float>::quiet_NaN()); },
     ErrorCode::kBadFormat, "tensor blk.1.attn_q_norm.weight: expected finite numbers."},
    {"InfinityInANorm",
     [](GgufFile& f) { put_last(f, "output_norm.weight", -std::numeric_limits<float>::infinity()); },
     ErrorCode::kBadFormat, "tensor output_norm.weight: expected finite numbers."},
    {"OneDenseLayer", [](GgufFile& f) { f.tensors.pop_back(); }, ErrorCode::kBadFormat,
     "tensor dense_3.weight: not found; expected shape [128, 64]."},
    {"TheOtherDenseLayer",
     [](GgufFile& f) { std::erase_if(f.tensors, [](auto& t) { return t.name == "dense_2.weight"; }); },
     ErrorCode::kBadFormat, "tensor dense_2.weight: not found; expected shape [64, 3072]."},
    {"DenseOfAnOddWidth",
     [](GgufFile& f) {
       auto& dense = *f.find("dense_2.weight");
       dense.shape = {64, 100};
       dense.bytes.resize(64 * 100 * 4);
     },
     ErrorCode::kUnsupported, "tensor dense_2.weight: expected a multiple of 32 rows, found 100."},
    {"TableOfAnotherWidth",
     [](GgufFile& f) {
       f.find("token_embd.weight")->shape = {32, 1200};
     },
     ErrorCode::kBadFormat, "tensor token_embd.weight: expected shape [64, 1200], found [32, 1200]."},
};

const auto kTitle = [](const auto& test) { return test.param.title; };
INSTANTIATE_TEST_SUITE_P(Keys, GgufModelBad, ::testing::ValuesIn(kBadKeys), kTitle);
INSTANTIATE_TEST_SUITE_P(Tensors, GgufModelBad, ::testing::ValuesIn(kBadTensors), kTitle);

TEST(GgufModel, RefusesAFileCutShortAnywhere) {
  const TempDir dir;
  const auto path = dir.path() / "m.gguf";
  const std::string whole = make_tiny_gguf(make_tiny_model()).bytes();
  for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 40) {
    testing::write_text(path, whole.substr(0, size));
    const auto source = open_model(path);
    ASSERT_FALSE(source.ok()) << size;
    EXPECT_EQ(source.error().code, ErrorCode::kBadFormat);
    EXPECT_TRUE(source.error().message.starts_with(path.string() + ": ")) << source.error().message;
  }
}

}  // namespace
}  // namespace gemvec::source
