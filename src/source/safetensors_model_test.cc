// Model folders: a good one opens in every form it may have, and each bad one is refused with a message
// that names the file, the field or tensor, and what was expected.
#include "source/model_source.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>

#include "support/number_types.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec::source {
namespace {

namespace fs = std::filesystem;
using gemvec::testing::make_tiny_model;
using gemvec::testing::save;
using gemvec::testing::TempDir;
using gemvec::testing::TinyModel;
using gemvec::testing::TinyTensor;
using gemvec::testing::write_text;
using gemvec::testing::write_tiny_model;

TEST(ModelSource, OpensATinyModelWithItsNumbersAndShapes) {
  const TempDir dir;
  write_tiny_model(dir.path());
  const auto folder = open_model(dir.path());
  ASSERT_TRUE(folder.ok()) << folder.error().message;
  const auto& c = folder->config;
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
  EXPECT_FLOAT_EQ(c.query_scale, 1 / std::sqrt(32.0F));
  EXPECT_EQ(c.rope_theta_full, 1e6);
  EXPECT_EQ(c.rope_theta_sliding, 1e4);
  EXPECT_TRUE(folder->notes.empty());
  ASSERT_EQ(folder->files.size(), 3U);
  EXPECT_EQ(folder->weight_files[1], dir.path() / "2_Dense" / "model.safetensors");
  EXPECT_EQ(folder->weight_bytes, fs::file_size(folder->weight_files[0]) +
                                      fs::file_size(folder->weight_files[1]) +
                                      fs::file_size(folder->weight_files[2]));
}

void expect_same(const model::RawTensor& raw, const TinyTensor& tensor) {
  EXPECT_EQ(raw.rows, tensor.shape.size() == 1 ? 1 : tensor.shape[0]) << tensor.name;
  EXPECT_EQ(raw.cols, tensor.shape.back()) << tensor.name;
  const std::size_t size = raw.rows * raw.cols * (raw.type == model::RawType::kF32 ? 4 : 2);
  ASSERT_EQ(size, tensor.bytes.size()) << tensor.name;
  EXPECT_EQ(std::memcmp(raw.data, tensor.bytes.data(), size), 0) << tensor.name;
}

TEST(ModelSource, GivesEveryTensorItsPlace) {
  for (const auto dtype : {model::RawType::kF32, model::RawType::kBf16, model::RawType::kF16}) {
    const TempDir dir;
    TinyModel tiny = write_tiny_model(
        dir.path(), {.seed = 3, .dtype = dtype, .model_prefix = dtype == model::RawType::kF16});
    const auto folder = open_model(dir.path());
    ASSERT_TRUE(folder.ok()) << folder.error().message;
    const auto& w = folder->weights;
    EXPECT_EQ(w.embedding.type, dtype);
    expect_same(w.embedding, tiny.tensor("embed_tokens.weight"));
    expect_same(w.final_norm, tiny.tensor("norm.weight"));
    expect_same(w.dense2, tiny.dense2_tensors[0]);
    expect_same(w.dense3, tiny.dense3_tensors[0]);
    ASSERT_EQ(w.layers.size(), 7U);
    for (std::size_t i = 0; i < w.layers.size(); ++i) {
      const auto& layer = w.layers[i];
      const auto tensor = [&](const std::string& name) -> const TinyTensor& {
        return tiny.tensor("layers." + std::to_string(i) + "." + name + ".weight");
      };
      expect_same(layer.input_norm, tensor("input_layernorm"));
      expect_same(layer.post_attention_norm, tensor("post_attention_layernorm"));
      expect_same(layer.pre_ffn_norm, tensor("pre_feedforward_layernorm"));
      expect_same(layer.post_ffn_norm, tensor("post_feedforward_layernorm"));
      expect_same(layer.q_norm, tensor("self_attn.q_norm"));
      expect_same(layer.k_norm, tensor("self_attn.k_norm"));
      expect_same(layer.q, tensor("self_attn.q_proj"));
      expect_same(layer.k, tensor("self_attn.k_proj"));
      expect_same(layer.v, tensor("self_attn.v_proj"));
      expect_same(layer.o, tensor("self_attn.o_proj"));
      expect_same(layer.gate, tensor("mlp.gate_proj"));
      expect_same(layer.up, tensor("mlp.up_proj"));
      expect_same(layer.down, tensor("mlp.down_proj"));
    }
  }
}

// Two shards in the place of model.safetensors, with their index.
void write_shards(const TinyModel& tiny, const fs::path& dir) {
  save(tiny, dir);
  fs::remove(dir / "model.safetensors");
  const auto middle = tiny.tensors.begin() + 30;
  write_text(dir / "model-00001-of-00002.safetensors",
             gemvec::testing::safetensors_bytes({tiny.tensors.begin(), middle}));
  write_text(dir / "model-00002-of-00002.safetensors",
             gemvec::testing::safetensors_bytes({middle, tiny.tensors.end()}));
  std::string index;
  for (auto tensor = tiny.tensors.begin(); tensor != tiny.tensors.end(); ++tensor)
    index += (index.empty() ? "\"" : ",\"") + tensor->name + "\":\"model-0000" +
             (tensor < middle ? "1" : "2") + "-of-00002.safetensors\"";
  write_text(dir / "model.safetensors.index.json", R"({"metadata":{},"weight_map":{)" + index + "}}");
}

TEST(ModelSource, OpensShardedWeights) {
  const TempDir dir;
  TinyModel tiny = make_tiny_model();
  write_shards(tiny, dir.path());
  const auto folder = open_model(dir.path());
  ASSERT_TRUE(folder.ok()) << folder.error().message;
  EXPECT_EQ(folder->files.size(), 4U);
  expect_same(folder->weights.embedding, tiny.tensor("embed_tokens.weight"));
  expect_same(folder->weights.final_norm, tiny.tensor("norm.weight"));
}

TEST(ModelSource, RefusesShardsThatDoNotAgreeWithTheirIndex) {
  const TempDir dir;
  TinyModel tiny = make_tiny_model();
  write_shards(tiny, dir.path());
  const auto index = dir.path() / "model.safetensors.index.json";
  const auto message = [&](const std::string& text) {
    write_text(index, text);
    const auto folder = open_model(dir.path());
    return folder.ok() ? "no error" : folder.error().message;
  };
  const auto at = [&](const char* file) { return (dir.path() / file).string(); };
  EXPECT_EQ(message("{}"),
            index.string() + ": weight_map: expected an object of tensors and the names of their files.");
  EXPECT_EQ(message(R"({"weight_map":{}})"),
            index.string() + ": weight_map: expected 1 to 1024 files, found 0.");
  EXPECT_EQ(message(R"({"weight_map":{"a":"../model.safetensors"}})"),
            index.string() + ": weight_map: tensor \"a\": expected the name of a file in this folder.");
  EXPECT_EQ(message(R"({"weight_map":{"a":7}})"),
            index.string() + ": weight_map: tensor \"a\": expected the name of a file in this folder.");
  EXPECT_EQ(message(R"({"weight_map":{"a":"model-00001-of-00002.safetensors"}})"),
            at("model-00001-of-00002.safetensors") +
                ": tensor \"a\": not found, but model.safetensors.index.json says that it is here.");
  EXPECT_EQ(message(R"({"weight_map":{"norm.weight":"gone.safetensors"}})"),
            at("gone.safetensors") + ": cannot open: No such file or directory.");
  fs::copy(at("model-00001-of-00002.safetensors"), at("model-00003-of-00002.safetensors"));
  EXPECT_EQ(message(R"({"weight_map":{"embed_tokens.weight":"model-00001-of-00002.safetensors",
                        "layers.0.input_layernorm.weight":"model-00003-of-00002.safetensors"}})"),
            at("model-00003-of-00002.safetensors") +
                ": tensor \"embed_tokens.weight\": expected it once, but " +
                at("model-00001-of-00002.safetensors") + " has it too.");
}

TEST(ModelSource, ToleratesATiedLanguageModelHeadAndMissingDescriptions) {
  const TempDir dir;
  TinyModel tiny = make_tiny_model();
  TinyTensor head = tiny.tensor("embed_tokens.weight");
  head.name = "lm_head.weight";
  tiny.tensors.push_back(head);
  save(tiny, dir.path());
  for (const auto* name : {"modules.json", "sentence_bert_config.json", "1_Pooling", "2_Dense/config.json",
                           "3_Dense/config.json", "config_sentence_transformers.json"})
    fs::remove_all(dir.path() / name);
  const auto folder = open_model(dir.path());
  EXPECT_TRUE(folder.ok()) << folder.error().message;
}

TEST(ModelSource, FollowsModulesJsonToTheDenseLayers) {
  const TempDir dir;
  TinyModel tiny = make_tiny_model();
  // The package's names have moved between versions; the class's name and its order count.
  tiny.modules[2].as_object()["type"] = "sentence_transformers.base.modules.dense.Dense";
  tiny.modules[2].as_object()["path"] = "first";
  save(tiny, dir.path());
  fs::rename(dir.path() / "2_Dense", dir.path() / "first");
  const auto folder = open_model(dir.path());
  ASSERT_TRUE(folder.ok()) << folder.error().message;
  expect_same(folder->weights.dense2, tiny.dense2_tensors[0]);
}

TEST(ModelSource, AShorterMaximumOfTheFolderIsHonouredAndNoted) {
  const TempDir dir;
  TinyModel tiny = make_tiny_model();
  tiny.transformer["max_seq_length"] = 512;
  save(tiny, dir.path());
  const auto folder = open_model(dir.path());
  ASSERT_TRUE(folder.ok()) << folder.error().message;
  EXPECT_EQ(folder->config.max_tokens, 512U);
  ASSERT_EQ(folder->notes.size(), 1U);
}

TEST(ModelSource, RefusesWhatIsNoModel) {
  const TempDir dir;
  const auto message = [](const std::filesystem::path& path) {
    return path.string() +
           ": expected a model folder with model.safetensors, onnx/model.onnx or a .gguf file in it, or one "
           ".onnx, .gguf or .gemvec file.";
  };
  const auto file = dir.path() / "model.txt";
  write_text(file, "GGUF");
  for (const auto& path : {file, dir.path()}) {
    const auto found = open_model(path);
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code, ErrorCode::kBadFormat);
    EXPECT_EQ(found.error().message, message(path));
  }
  EXPECT_EQ(open_model(dir.path() / "nowhere").error().code, ErrorCode::kNotFound);
}

TEST(ModelSource, OfAFolderWithAConfigurationAloneNamesTheWeights) {
  const TempDir dir;
  save(make_tiny_model(), dir.path());
  std::filesystem::remove(dir.path() / "model.safetensors");
  const auto found = open_model(dir.path());
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().message,
            (dir.path() / "model.safetensors").string() + ": cannot open: No such file or directory.");
}

// A folder that is wrong in one way: how, and what is said about it, after "DIR/".
struct BadFolder {
  const char* title;
  std::function<void(TinyModel&)> change;
  ErrorCode code;
  std::string message;
};

class ModelSourceBad : public ::testing::TestWithParam<BadFolder> {};

TEST_P(ModelSourceBad, IsRefusedWithAMessage) {
  const TempDir dir;
  TinyModel tiny = make_tiny_model();
  GetParam().change(tiny);
  save(tiny, dir.path());
  const auto folder = open_model(dir.path());
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.error().message, (dir.path() / GetParam().message).string());
  EXPECT_EQ(folder.error().code, GetParam().code);
}

void remove_tensor(TinyModel& m, std::string_view name) {
  std::erase_if(m.tensors, [&](const TinyTensor& tensor) { return tensor.name == name; });
}

// Overwrites the last number of a tensor of floats.
void set_last(TinyTensor& tensor, float value) {
  std::memcpy(tensor.bytes.data() + tensor.bytes.size() - 4, &value, 4);
}

const BadFolder kBadTensors[] = {
    {"MissingTensor", [](TinyModel& m) { remove_tensor(m, "layers.3.mlp.up_proj.weight"); },
     ErrorCode::kBadFormat,
     "model.safetensors: tensor layers.3.mlp.up_proj.weight: not found; expected shape [96, 64]."},
    {"MissingNorm", [](TinyModel& m) { remove_tensor(m, "norm.weight"); }, ErrorCode::kBadFormat,
     "model.safetensors: tensor norm.weight: not found; expected shape [64]."},
    {"NoTensorAtAll", [](TinyModel& m) { m.tensors.clear(); }, ErrorCode::kBadFormat,
     "model.safetensors: tensor embed_tokens.weight: not found; expected shape [600, 64]."},
    {"TransposedTensor",
     [](TinyModel& m) {
       m.tensor("layers.3.self_attn.k_proj.weight").shape = {64, 32};
     },
     ErrorCode::kBadFormat,
     "model.safetensors: tensor layers.3.self_attn.k_proj.weight: expected shape [32, 64], found [64, 32]."},
    {"FlatTensor", [](TinyModel& m) { m.tensor("layers.0.mlp.down_proj.weight").shape = {6144}; },
     ErrorCode::kBadFormat,
     "model.safetensors: tensor layers.0.mlp.down_proj.weight: expected shape [64, 96], found [6144]."},
    {"NormAsMatrix",
     [](TinyModel& m) {
       m.tensor("layers.0.input_layernorm.weight").shape = {1, 64};
     },
     ErrorCode::kBadFormat,
     "model.safetensors: tensor layers.0.input_layernorm.weight: expected shape [64], found [1, 64]."},
    {"IntegerTensor", [](TinyModel& m) { m.tensor("layers.6.mlp.gate_proj.weight").dtype = "I32"; },
     ErrorCode::kUnsupported,
     "model.safetensors: tensor layers.6.mlp.gate_proj.weight: expected the type F32, BF16 or F16, found "
     "I32."},
    {"TypeOfAnotherSize", [](TinyModel& m) { m.tensor("norm.weight").dtype = "F16"; }, ErrorCode::kBadFormat,
     "model.safetensors: tensor \"norm.weight\": shape [64] of F16 takes 128 bytes, but data_offsets span "
     "256."},
    {"TableOfAnotherVocabulary",
     [](TinyModel& m) {
       auto& table = m.tensor("embed_tokens.weight");
       table.shape[0] = 599;
       table.bytes.resize(599 * 64 * 4);
     },
     ErrorCode::kBadFormat,
     "model.safetensors: tensor embed_tokens.weight: expected shape [600, 64], found [599, 64]."},
    {"LayerTooMany",
     [](TinyModel& m) {
       auto extra = m.tensor("layers.6.input_layernorm.weight");
       extra.name = "layers.7.input_layernorm.weight";
       m.tensors.push_back(extra);
     },
     ErrorCode::kUnsupported,
     "model.safetensors: tensor \"layers.7.input_layernorm.weight\": expected only the tensors of "
     "EmbeddingGemma."},
    {"BiasInTheTransformer",
     [](TinyModel& m) {
       auto bias = m.tensor("layers.2.self_attn.k_norm.weight");
       bias.name = "layers.2.self_attn.k_proj.bias";
       m.tensors.push_back(bias);
     },
     ErrorCode::kUnsupported,
     "model.safetensors: tensor \"layers.2.self_attn.k_proj.bias\": expected only the tensors of "
     "EmbeddingGemma."},
    {"NanInANorm",
     [](TinyModel& m) {
       set_last(m.tensor("layers.1.self_attn.q_norm.weight"), std::numeric_limits<float>::quiet_NaN());
     },
     ErrorCode::kBadFormat,
     "model.safetensors: tensor layers.1.self_attn.q_norm.weight: expected finite numbers."},
    {"InfinityInANorm",
     [](TinyModel& m) { set_last(m.tensor("norm.weight"), -std::numeric_limits<float>::infinity()); },
     ErrorCode::kBadFormat, "model.safetensors: tensor norm.weight: expected finite numbers."},
    {"NoDenseWeight", [](TinyModel& m) { m.dense2_tensors.clear(); }, ErrorCode::kBadFormat,
     "2_Dense/model.safetensors: tensor linear.weight: not found; expected shape [3072, 64]."},
    {"DenseTransposed",
     [](TinyModel& m) {
       m.dense3_tensors[0].shape = {128, 64};
     },
     ErrorCode::kBadFormat,
     "3_Dense/model.safetensors: tensor linear.weight: expected shape [64, 128], found [128, 64]."},
    {"DenseOfAnOddWidth",
     [](TinyModel& m) {
       m.dense2_tensors[0].shape = {100, 64};
       m.dense2_tensors[0].bytes.resize(100 * 64 * 4);
     },
     ErrorCode::kUnsupported,
     "2_Dense/model.safetensors: tensor linear.weight: expected a multiple of 32 rows, found 100."},
    {"DenseBias",
     [](TinyModel& m) {
       m.dense3_tensors.push_back({"linear.bias", "F32", {64}, std::vector<std::byte>(256)});
     },
     ErrorCode::kUnsupported,
     "3_Dense/model.safetensors: tensor \"linear.bias\": expected only the tensors of EmbeddingGemma."},
};

const BadFolder kBadModules[] = {
    {"NoNormalize", [](TinyModel& m) { m.modules.pop_back(); }, ErrorCode::kUnsupported,
     "modules.json: expected the modules Transformer, Pooling, Dense, Dense, Normalize, found \"Transformer, "
     "Pooling, Dense, Dense\"."},
    {"NoDense", [](TinyModel& m) { m.modules.erase(m.modules.begin() + 2, m.modules.begin() + 4); },
     ErrorCode::kUnsupported,
     "modules.json: expected the modules Transformer, Pooling, Dense, Dense, Normalize, found \"Transformer, "
     "Pooling, Normalize\"."},
    {"ModulesNotAnObjectEach", [](TinyModel& m) { m.modules[1] = 3; }, ErrorCode::kBadFormat,
     "modules.json: module 1: expected an object."},
    {"ModuleWithoutType", [](TinyModel& m) { m.modules[1].as_object().erase("type"); }, ErrorCode::kBadFormat,
     "modules.json: module 1: type: expected a string, found nothing."},
    {"ModuleOutside", [](TinyModel& m) { m.modules[2].as_object()["path"] = "a/../../2_Dense"; },
     ErrorCode::kBadFormat,
     "modules.json: module 2: path: expected a folder inside the model's, found \"a/../../2_Dense\"."},
    {"ModuleAbsolute", [](TinyModel& m) { m.modules[2].as_object()["path"] = "/2_Dense"; },
     ErrorCode::kBadFormat,
     "modules.json: module 2: path: expected a folder inside the model's, found \"/2_Dense\"."},
    {"TransformerElsewhere", [](TinyModel& m) { m.modules[0].as_object()["path"] = "0_Transformer"; },
     ErrorCode::kUnsupported, "modules.json: expected the transformer in the folder itself."},
    {"LowerCase", [](TinyModel& m) { m.transformer["do_lower_case"] = true; }, ErrorCode::kUnsupported,
     "sentence_bert_config.json: do_lower_case: expected null or false, found true."},
    {"NoTokensAtAll", [](TinyModel& m) { m.transformer["max_seq_length"] = 0; }, ErrorCode::kBadFormat,
     "sentence_bert_config.json: max_seq_length: expected a whole number from 2 to 16777216, found 0."},
    {"ClsPooling", [](TinyModel& m) { m.pooling["pooling_mode_cls_token"] = true; }, ErrorCode::kUnsupported,
     "1_Pooling/config.json: pooling_mode_cls_token: expected null or false, found true."},
    {"NoMeanPooling", [](TinyModel& m) { m.pooling["pooling_mode_mean_tokens"] = false; },
     ErrorCode::kUnsupported, "1_Pooling/config.json: pooling_mode_mean_tokens: expected true, found false."},
    {"PoolingByAnotherName", [](TinyModel& m) { m.pooling["pooling_mode"] = "lasttoken"; },
     ErrorCode::kUnsupported, "1_Pooling/config.json: pooling_mode: expected \"mean\", found \"lasttoken\"."},
    {"PromptLeftOut", [](TinyModel& m) { m.pooling["include_prompt"] = false; }, ErrorCode::kUnsupported,
     "1_Pooling/config.json: include_prompt: expected true, found false."},
    {"PoolingOfAnotherWidth", [](TinyModel& m) { m.pooling["word_embedding_dimension"] = 768; },
     ErrorCode::kBadFormat,
     "1_Pooling/config.json: word_embedding_dimension: expected 64, the transformer's width, found 768."},
    {"DenseWithBias", [](TinyModel& m) { m.dense2["bias"] = true; }, ErrorCode::kUnsupported,
     "2_Dense/config.json: bias: expected null or false, found true."},
    {"DenseWithTanh",
     [](TinyModel& m) { m.dense3["activation_function"] = "torch.nn.modules.activation.Tanh"; },
     ErrorCode::kUnsupported,
     "3_Dense/config.json: activation_function: expected \"torch.nn.modules.linear.Identity\", found "
     "\"torch.nn.modules.activation.Tanh\"."},
    {"DenseWithoutActivation", [](TinyModel& m) { m.dense3.erase("activation_function"); },
     ErrorCode::kBadFormat, "3_Dense/config.json: activation_function: expected a string, found nothing."},
    {"DenseOfAnotherWidth", [](TinyModel& m) { m.dense3["out_features"] = 32; }, ErrorCode::kBadFormat,
     "3_Dense/config.json: out_features: expected 64, the transformer's width, found 32."},
};

const auto kTitle = [](const auto& test) { return test.param.title; };
INSTANTIATE_TEST_SUITE_P(Tensors, ModelSourceBad, ::testing::ValuesIn(kBadTensors), kTitle);
INSTANTIATE_TEST_SUITE_P(Modules, ModelSourceBad, ::testing::ValuesIn(kBadModules), kTitle);

TEST(ModelSource, RefusesAFileCutShortAnywhere) {
  const TempDir dir;
  const TinyModel tiny = write_tiny_model(dir.path());
  const auto path = dir.path() / "model.safetensors";
  const std::string whole = gemvec::testing::safetensors_bytes(tiny.tensors);
  for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 40) {
    write_text(path, whole.substr(0, size));
    const auto folder = open_model(dir.path());
    ASSERT_FALSE(folder.ok()) << size;
    EXPECT_EQ(folder.error().code, ErrorCode::kBadFormat);
    EXPECT_TRUE(folder.error().message.starts_with(path.string() + ": ")) << folder.error().message;
  }
  write_text(path, whole + "x");
  EXPECT_FALSE(open_model(dir.path()).ok());
}

}  // namespace
}  // namespace gemvec::source
