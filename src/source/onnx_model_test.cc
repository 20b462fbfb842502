// ONNX files that open, in all the forms in which they go about: the weights are those of the safetensors
// files, or exactly what the codes in them mean.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <string>

#include "source/formats.h"
#include "support/onnx_testing.h"

namespace gemvec::source {
namespace {

namespace fs = std::filesystem;
using namespace onnx_testing;  // NOLINT: a test's own helpers
using gemvec::testing::TinyTensor;
using gemvec::testing::write_text;

struct Place {
  const char* name;        // as in tiny_onnx.h
  const char* safetensor;  // as in the release
  model::RawTensor model::RawLayer::*member;
  bool is_norm;
};
const Place kPlaces[] = {
    {"input_norm", "input_layernorm", &model::RawLayer::input_norm, true},
    {"post_attention_norm", "post_attention_layernorm", &model::RawLayer::post_attention_norm, true},
    {"pre_ffn_norm", "pre_feedforward_layernorm", &model::RawLayer::pre_ffn_norm, true},
    {"post_ffn_norm", "post_feedforward_layernorm", &model::RawLayer::post_ffn_norm, true},
    {"q_norm", "self_attn.q_norm", &model::RawLayer::q_norm, true},
    {"k_norm", "self_attn.k_norm", &model::RawLayer::k_norm, true},
    {"q", "self_attn.q_proj", &model::RawLayer::q, false},
    {"k", "self_attn.k_proj", &model::RawLayer::k, false},
    {"v", "self_attn.v_proj", &model::RawLayer::v, false},
    {"o", "self_attn.o_proj", &model::RawLayer::o, false},
    {"gate", "mlp.gate_proj", &model::RawLayer::gate, false},
    {"up", "mlp.up_proj", &model::RawLayer::up, false},
    {"down", "mlp.down_proj", &model::RawLayer::down, false},
};

std::vector<float> floats_of(const TinyTensor& tensor) {
  return onnx_testing::floats_of({reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()});
}

void expect_same(const model::RawTensor& raw, const TinyTensor& tensor, bool is_norm = false) {
  std::vector<float> expected = floats_of(tensor);
  if (is_norm && raw.one_added) {
    for (float& w : expected) w += 1;
  }
  EXPECT_EQ(raw.rows, tensor.shape.size() == 1 ? 1 : tensor.shape[0]) << tensor.name;
  EXPECT_EQ(numbers_of(raw), expected) << tensor.name;
}

void expect_all_same(const TinyOnnx& onnx, gemvec::testing::TinyModel& tiny) {
  const auto source = onnx.open();
  ASSERT_TRUE(source.ok()) << source.error().message;
  const auto& w = source->weights;
  expect_same(w.embedding, tiny.tensor("embed_tokens.weight"));
  expect_same(w.final_norm, tiny.tensor("norm.weight"), true);
  expect_same(w.dense2, tiny.dense2_tensors[0]);
  expect_same(w.dense3, tiny.dense3_tensors[0]);
  ASSERT_EQ(w.layers.size(), 7U);
  for (std::size_t i = 0; i < w.layers.size(); ++i) {
    for (const Place& place : kPlaces) {
      const std::string name = "layers." + std::to_string(i) + "." + place.safetensor + ".weight";
      expect_same(w.layers[i].*place.member, tiny.tensor(name), place.is_norm);
    }
  }
}

TEST(OnnxModel, OpensWithItsConfigurationAndFiles) {
  TinyOnnx onnx;
  const auto source = onnx.open();
  ASSERT_TRUE(source.ok()) << source.error().message;
  EXPECT_EQ(source->format, Format::kOnnx);
  EXPECT_EQ(source->path, onnx.file());
  EXPECT_EQ(source->folder, onnx.folder());
  EXPECT_EQ(source->tokenizer, onnx.folder() / "tokenizer.json");
  EXPECT_EQ(source->config.layers, 7U);
  EXPECT_EQ(source->config.dense_width, 128U);
  EXPECT_EQ(source->numbers, "fp32");
  EXPECT_EQ(source->weight_files, (std::vector<fs::path>{onnx.file()}));
  EXPECT_EQ(source->files.size(), 1U);
  EXPECT_EQ(source->weight_bytes, fs::file_size(onnx.file()));
  EXPECT_TRUE(source->notes.empty());
  // Rows are the file's own where they lie as the engine has them, and made where they do not.
  EXPECT_EQ(source->weights.embedding.type, model::RawType::kF32);
  EXPECT_EQ(source->weights.layers[0].q.type, model::RawType::kRows);
  EXPECT_TRUE(source->weights.final_norm.one_added);
}

struct Form {
  const char* title;
  std::function<void(OnnxSpec&)> change;
};

void rename_everything(OnnxSpec& spec) {
  int count = 0;
  for (auto& tensor : spec.tensors) {
    const std::string name = tensor.name, number = "onnx::MatMul_" + std::to_string(1000 + count++);
    tensor.name = number;
    for (auto& node : spec.nodes) std::replace(node.inputs.begin(), node.inputs.end(), name, number);
  }
  for (auto& node : spec.nodes) node.name.clear();
}

// The weight as it is in safetensors, and a Transpose before the product.
void transpose_weights(OnnxSpec& spec) {
  for (auto& tensor : spec.tensors) {
    const std::string name = tensor.name;
    if (tensor.dims.size() != 2 || name == "embed" || name.find('_') != std::string::npos) continue;
    tensor.bytes = transposed(tensor);
    std::swap(tensor.dims[0], tensor.dims[1]);
    const std::string x = spec.node(name).inputs[0], t = name + "^T";
    replace(spec, name,
            {{"Transpose", {name}, {t}, {{"perm", std::vector<std::int64_t>{1, 0}}}, "", ""},
             {"MatMul", {x, t}, {}, {}, "", name}});
  }
}

void use_gemm(OnnxSpec& spec) {
  OnnxTensorSpec& tensor = spec.tensor("4.down");
  tensor.bytes = transposed(tensor);
  std::swap(tensor.dims[0], tensor.dims[1]);
  const std::string x = spec.node("4.down").inputs[0];
  replace(spec, "4.down",
          {{"Gemm", {x, "4.down"}, {}, {{"transB", std::int64_t{1}}, {"alpha", 1.0F}}, "", ""}});
  const std::string y = spec.node("4.up").inputs[0];
  replace(spec, "4.up", {{"FusedMatMul", {y, "4.up"}, {}, {}, "com.microsoft", ""}});
}

// q after v, up before gate, k's norm before q's.
void change_the_order(OnnxSpec& spec) {
  for (const std::string layer : {"0.", "5."}) {
    std::swap(spec.node(layer + "q"), spec.node(layer + "v"));
    std::swap(spec.node(layer + "gate"), spec.node(layer + "up"));
    OnnxNodeSpec* norm = &spec.node(layer + "q_norm");  // Reshape, q_norm, Reshape, k_norm
    std::swap(norm[-1], norm[1]);
    std::swap(norm[0], norm[2]);
  }
}

// x / sqrt(mean(x^2) + eps) * w in one spelling for odd layers and another for even ones.
void write_norms_out(OnnxSpec& spec) {
  spec.tensors.push_back(make_floats("two", {2}));
  spec.tensors.push_back(make_floats("one", {1}));
  spec.tensors.push_back(make_floats("eps", {1e-6F}));
  std::vector<std::string> names;
  for (const auto& node : spec.nodes) {
    if (node.op == "SimplifiedLayerNormalization") names.push_back(node.name);
  }
  const std::vector<std::int64_t> last = {-1};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string& n = names[i];
    const std::string x = spec.node(n).inputs[0];
    std::vector<OnnxNodeSpec> nodes = {{"Pow", {x, "two"}, {n + "a"}, {}, "", ""},
                                       {"ReduceMean", {n + "a"}, {n + "b"}, {{"axes", last}}, "", ""},
                                       {"Add", {n + "b", "eps"}, {n + "c"}, {}, "", ""},
                                       {"Sqrt", {n + "c"}, {n + "d"}, {}, "", ""}};
    if (i % 3 == 0) {
      nodes.push_back({"Div", {x, n + "d"}, {n + "e"}, {}, "", ""});
      nodes.push_back({"Mul", {n + "e", n}, {}, {}, "", ""});
    } else {
      nodes[0] = {"Mul", {x, x}, {n + "a"}, {}, "", ""};
      nodes.push_back(i % 3 == 1 ? OnnxNodeSpec{"Reciprocal", {n + "d"}, {n + "r"}, {}, "", ""}
                                 : OnnxNodeSpec{"Div", {"one", n + "d"}, {n + "r"}, {}, "", ""});
      nodes.push_back({"Mul", {x, n + "r"}, {n + "e"}, {}, "", ""});
      nodes.push_back({"Cast", {n + "e"}, {n + "f"}, {{"to", std::int64_t{1}}}, "", ""});
      nodes.push_back({"Mul", {n, n + "f"}, {}, {}, "", ""});
    }
    replace(spec, n, nodes);
  }
}

void skip_norms(OnnxSpec& spec) {
  const std::string h = spec.node("1.pre_ffn_norm").inputs[0];
  const auto add = std::find_if(spec.nodes.begin(), spec.nodes.end(),
                                [&](const auto& node) { return node.outputs[0] == h; });
  ASSERT_NE(add, spec.nodes.end());
  const std::vector<std::string> sum = add->inputs;
  spec.nodes.erase(add);
  auto& node = spec.node("1.pre_ffn_norm");
  node.op = "SkipSimplifiedLayerNormalization";
  node.domain = "com.microsoft";
  node.inputs = {sum[0], sum[1], "1.pre_ffn_norm"};
  node.outputs = {node.outputs[0], "", "", h};
}

void spell_numbers_out(OnnxSpec& spec) {
  for (const char* name : {"3.k_norm", "3.v"}) {
    OnnxTensorSpec& tensor = spec.tensor(name);
    tensor.floats = onnx_testing::floats_of(tensor.bytes);
    tensor.bytes.clear();
  }
  OnnxTensorSpec tensor = spec.tensor("2.q");
  remove_tensor(spec, "2.q");
  spec.nodes.insert(spec.nodes.begin(), {"Constant", {}, {"2.q"}, {{"value", tensor}}, "", ""});
}

// As ONNX Runtime's fp16 converter leaves files: it puts the casts that it needs at the end.
void back_to_front(OnnxSpec& spec) { std::reverse(spec.nodes.begin(), spec.nodes.end()); }

void look_up_by_product(OnnxSpec& spec) {
  replace(spec, "embed",
          {{"OneHot", {"input_ids", "root", "root"}, {"hot"}, {}, "", ""},
           {"MatMul", {"hot", "embed"}, {}, {}, "", "embed"}});
}

class OnnxForms : public ::testing::TestWithParam<Form> {};

TEST_P(OnnxForms, HasTheWeightsOfTheSafetensorsFiles) {
  TinyOnnx onnx;
  GetParam().change(onnx.spec);
  expect_all_same(onnx, onnx.model());
}

INSTANTIATE_TEST_SUITE_P(
    Forms, OnnxForms,
    ::testing::Values(Form{"Named", [](OnnxSpec&) {}}, Form{"Anonymous", rename_everything},
                      Form{"Transposed", transpose_weights}, Form{"Gemm", use_gemm},
                      Form{"AnotherOrder", change_the_order}, Form{"BackToFront", back_to_front},
                      Form{"NormsWrittenOut", write_norms_out}, Form{"SkipNorms", skip_norms},
                      Form{"NumbersSpeltOut", spell_numbers_out}, Form{"OneHot", look_up_by_product},
                      Form{"All",
                           [](OnnxSpec& spec) {
                             change_the_order(spec);
                             transpose_weights(spec);
                             write_norms_out(spec);
                             rename_everything(spec);
                             back_to_front(spec);
                           }}),
    [](const auto& test) { return test.param.title; });

TEST(OnnxModel, TakesWeightsToWhichTheGraphAddsOne) {
  TinyOnnx onnx;
  const std::string x = onnx.spec.node("6.q_norm").inputs[0];
  onnx.spec.tensors.push_back(make_floats("one", {1}));
  onnx.spec.nodes.insert(onnx.spec.nodes.begin(), {"Add", {"one", "6.q_norm"}, {"sum"}, {}, "", ""});
  onnx.spec.node("6.q_norm").inputs = {x, "sum"};
  const auto source = onnx.open();
  ASSERT_TRUE(source.ok()) << source.error().message;
  EXPECT_FALSE(source->weights.layers[6].q_norm.one_added);
  EXPECT_TRUE(source->weights.layers[6].k_norm.one_added);
}

TEST(OnnxModel, ReadsHalvesStraightAndThroughCasts) {
  for (const auto& [type, raw_type] :
       {std::pair(kFloat16, model::RawType::kF16), std::pair(kBfloat16, model::RawType::kBf16)}) {
    TinyOnnx onnx;
    std::vector<std::vector<float>> expected;
    for (const char* name : {"embed", "0.gate", "0.k_norm"}) {
      OnnxTensorSpec& tensor = onnx.spec.tensor(name);
      std::vector<std::uint16_t> halves;
      expected.emplace_back();
      for (const float value : onnx_testing::floats_of(tensor.bytes)) {
        halves.push_back(type == kFloat16 ? gemvec::testing::to_f16(value) : gemvec::testing::to_bf16(value));
        expected.back().push_back(type == kFloat16 ? gemvec::testing::from_f16(halves.back())
                                                   : gemvec::testing::from_bf16(halves.back()));
      }
      tensor.type = type;
      tensor.bytes = bytes_of(halves);
    }
    const std::string x = onnx.spec.node("0.gate").inputs[0];
    replace(onnx.spec, "0.gate",
            {{"Cast", {"0.gate"}, {"wide"}, {{"to", std::int64_t{1}}}, "", ""},
             {"MatMul", {x, "wide"}, {}, {}, "", "0.gate"}});
    const auto source = onnx.open();
    ASSERT_TRUE(source.ok()) << source.error().message;
    EXPECT_EQ(source->weights.embedding.type, raw_type);
    EXPECT_EQ(numbers_of(source->weights.embedding), expected[0]);
    EXPECT_EQ(numbers_of(source->weights.layers[0].k_norm), expected[2]);
    const std::vector<float> gate = numbers_of(source->weights.layers[0].gate);  // [96, 64], from [64, 96]
    for (std::size_t out = 0; out < 96; ++out) {
      for (std::size_t in = 0; in < 64; ++in) ASSERT_EQ(gate[out * 64 + in], expected[1][in * 96 + out]);
    }
    EXPECT_EQ(source->numbers, type == kFloat16 ? "fp16 and fp32" : "bf16 and fp32");
  }
}

TEST(OnnxModel, KeepsExternalDataMappedAndNamesItsFiles) {
  TinyOnnx onnx;
  std::string data;
  for (auto& tensor : onnx.spec.tensors) {
    if (tensor.bytes.empty()) continue;
    data.resize((data.size() + 63) / 64 * 64);
    tensor.location = "m.onnx_data";
    tensor.offset = std::to_string(data.size());
    tensor.length = std::to_string(tensor.bytes.size());
    data += tensor.bytes;
    tensor.bytes.clear();
  }
  write_text(onnx.folder() / "m.onnx_data", data);
  expect_all_same(onnx, onnx.model());
  const auto source = onnx.open();
  EXPECT_EQ(source->weight_files, (std::vector<fs::path>{onnx.file(), onnx.folder() / "m.onnx_data"}));
  EXPECT_EQ(source->weight_bytes, fs::file_size(onnx.file()) + data.size());
}

TEST(OnnxModel, LooksForItsConfigurationBesideAndAbove) {
  TinyOnnx onnx;
  ASSERT_TRUE(onnx.open().ok());
  const fs::path below = onnx.folder() / "onnx";
  fs::create_directories(below);
  fs::rename(onnx.file(), below / "model.onnx");
  const auto source = open_model(below / "model.onnx");
  ASSERT_TRUE(source.ok()) << source.error().message;
  EXPECT_EQ(source->folder, onnx.folder());
  EXPECT_EQ(source->tokenizer, onnx.folder() / "tokenizer.json");
  EXPECT_TRUE(open_model(onnx.folder()).ok());
  fs::remove(onnx.folder() / "config.json");
  const auto without = open_model(below / "model.onnx");
  ASSERT_FALSE(without.ok());
  EXPECT_EQ(without.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(without.error().message,
            (below / "model.onnx").string() + ": expected config.json beside it, as " +
                (below / "config.json").string() + ", or one folder up, found neither.");
}

TEST(OnnxModel, FindsTheFileOfADtype) {
  const gemvec::testing::TempDir dir;
  const auto found = [&](const char* dtype) {
    return fs::relative(find_onnx(dir.path(), {.dtype = dtype}), dir.path()).string();
  };
  EXPECT_EQ(find_onnx(dir.path(), {}), fs::path());
  write_text(dir.path() / "odd.onnx", "");
  EXPECT_EQ(found("q8"), "odd.onnx");
  write_text(dir.path() / "model_fp16.onnx", "");
  EXPECT_EQ(found("fp32"), "model_fp16.onnx");
  write_text(dir.path() / "onnx" / "model.onnx", "");
  for (const char* dtype : {"fp32", "bf16", "q8", "q4"}) EXPECT_EQ(found(dtype), "onnx/model.onnx") << dtype;
  for (const char* name : {"model_uint8", "model_q4f16", "model_int8", "model_no_gather_q4",
                           "model_quantized", "model_q4", "model_fp16"}) {
    write_text(dir.path() / "onnx" / (std::string(name) + ".onnx"), "");
    const std::string file = std::string("onnx/") + name + ".onnx";
    const bool is_q4 = std::string(name).find("q4") != std::string::npos;
    if (name == std::string("model_fp16")) continue;  // never before model.onnx
    EXPECT_EQ(found(is_q4 ? "q4" : "q8"), file);
  }
  EXPECT_EQ(found("fp32"), "onnx/model.onnx");
  EXPECT_EQ(found("bf16"), "onnx/model.onnx");
}

TEST(OnnxModel, WithoutDenseLayersIsTakenOnRequestOnly) {
  TinyOnnx onnx;
  for (const char* name : {"dense3", "dense2"}) {
    std::erase_if(onnx.spec.nodes, [&](const auto& node) { return node.name == name; });
    remove_tensor(onnx.spec, name);
  }
  EXPECT_EQ(onnx.message(),
            "expected two dense layers after the transformer, found none: vectors without them are not "
            "EmbeddingGemma's (--allow-headless takes the model as it is).");
  const auto source = onnx.open({.allow_headless = true});
  ASSERT_TRUE(source.ok()) << source.error().message;
  EXPECT_EQ(source->config.dense_width, 0U);
  ASSERT_EQ(source->notes.size(), 1U);
  EXPECT_NE(source->notes[0].find("has no dense layers"), std::string::npos);
}

}  // namespace
}  // namespace gemvec::source
