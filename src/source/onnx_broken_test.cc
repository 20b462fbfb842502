// ONNX files that do not open: each is refused with a message that names the tensor or node, and what was
// expected. None is half understood.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "support/onnx_testing.h"

namespace gemvec::source {
namespace {

using namespace onnx_testing;  // NOLINT: a test's own helpers

struct Broken {
  const char* title;
  std::function<void(OnnxSpec&)> change;
  const char* message;  // its beginning, without the file's name
};

class OnnxBroken : public ::testing::TestWithParam<Broken> {};

TEST_P(OnnxBroken, IsRefused) {
  TinyOnnx onnx;
  GetParam().change(onnx.spec);
  const std::string message = onnx.message(), expected = GetParam().message;
  EXPECT_EQ(message.substr(0, expected.size()), expected) << message;
}

std::int64_t integer(std::int64_t value) { return value; }

void set_float(OnnxSpec& spec, const char* name, std::size_t index, float value) {
  std::memcpy(spec.tensor(name).bytes.data() + index * sizeof(value), &value, sizeof(value));
}

// Bytes in the place of the gate's weight of layer 2, and the operator that uses them.
void use_codes(OnnxSpec& spec, const char* op,
               std::vector<std::pair<std::string, gemvec::testing::OnnxAttributeSpec>> attributes,
               std::vector<std::string> more = {}) {
  std::vector<std::string> inputs = {spec.node("2.gate").inputs[0], "w", "s"};
  inputs.insert(inputs.end(), more.begin(), more.end());
  remove_tensor(spec, "2.gate");
  spec.tensors.push_back(make_tensor("w", kUint8, {96, 2, 16}, std::string(96 * 32, 'x')));
  spec.tensors.push_back(make_floats("s", std::vector<float>(192, 0.01F), {192}));
  spec.tensors.push_back(make_floats("b", std::vector<float>(96), {96}));
  replace(spec, "2.gate", {{op, inputs, {}, std::move(attributes), "com.microsoft", ""}});
}

std::vector<std::pair<std::string, gemvec::testing::OnnxAttributeSpec>> sizes(std::int64_t n, std::int64_t k,
                                                                              std::int64_t bits,
                                                                              std::int64_t block) {
  return {{"N", n}, {"K", k}, {"bits", bits}, {"block_size", block}};
}

const Broken kStructure[] = {
    {"MissingInput", [](OnnxSpec& s) { s.node("0.q").inputs[0] = "nothing"; },
     "node \"0.q\" (MatMul): expected inputs that something in the file makes, found \"nothing\"."},
    {"Circle", [](OnnxSpec& s) { s.node("0.input_norm").inputs[0] = s.node("0.o").outputs[0]; },
     "node \"0.q\" (MatMul): expected no circle, but \""},
    {"TwoMakers", [](OnnxSpec& s) { s.node("0.k").outputs = s.node("0.q").outputs; },
     "node \"0.k\" (MatMul): expected outputs of its own, but \"MatMul3\" exists already."},
    {"NoEmbedding",
     [](OnnxSpec& s) {
       replace(s, "embed", {{"Cast", {"input_ids"}, {}, {}, "", ""}});
       remove_tensor(s, "embed");
     },
     "expected a lookup in an embedding table [600, 64], found none."},
    {"TwoEmbeddings",
     [](OnnxSpec& s) {
       s.nodes.insert(s.nodes.begin(), {"Gather", {"embed", "input_ids"}, {"again"}, {}, "", ""});
     },
     "node \"embed\" (Gather): expected one embedding table, found a second."},
    {"AnotherVocabulary",
     [](OnnxSpec& s) {
       s.tensor("embed").dims[0] = 599;
       s.tensor("embed").bytes.resize(599 * 64 * 4);
     },
     "node \"embed\" (Gather): uses tensor \"embed\" [599, 64] of float, as no operator does"},
    {"NoRootOfTheWidth", [](OnnxSpec& s) { s.tensor("root").floats = {8.1F}; },
     "node \"embed\" (Gather): expected its rows to be multiplied by 8.000000, the root of their width."},
    {"ALinearLayerTooFew",
     [](OnnxSpec& s) {
       replace(s, "6.up", {{"Identity", {s.node("6.up").inputs[0]}, {}, {}, "", ""}});
       remove_tensor(s, "6.up");
     },
     "expected 7 linear layers in each of 7 layers and two after them, 51 in all, found 50."},
    {"ANormTooFew",
     [](OnnxSpec& s) {
       replace(s, "3.k_norm", {{"Identity", {s.node("3.k_norm").inputs[0]}, {}, {}, "", ""}});
       remove_tensor(s, "3.k_norm");
     },
     "expected 6 norms in each of 7 layers and one after them, 43 in all, found 42."},
    {"VWithANorm",
     [](OnnxSpec& s) {
       // The second norm of heads comes after v instead of k.
       OnnxNodeSpec* norm = &s.node("1.k_norm");
       norm[-1].inputs[0] = s.node("1.v").outputs[0];
       for (auto& input : s.node("1.attention").inputs) {
         if (input == s.node("1.v").outputs[0]) input = s.node("1.k").outputs[0];
       }
       s.tensor("1.k").name = "1.x";
       s.node("1.k").inputs[1] = "1.x";
     },
     "no error"},  // then it is k, whatever it is called
    {"QWithoutANorm", [](OnnxSpec& s) { (&s.node("1.q_norm"))[-1].inputs[0] = s.node("1.k").outputs[0]; },
     "node \"1.q\" (MatMul): expected it to be one of q, k and v of layer 1, of which q and k each go into a "
     "norm"},
    {"OWithoutV", [](OnnxSpec& s) { s.node("1.attention").inputs[2] = s.node("1.attention").inputs[1]; },
     "node \"1.o\" (MatMul): expected its input to come from node \"1.v\" (MatMul)."},
    {"GateWithoutGelu", [](OnnxSpec& s) { s.node("1.gelu").op = "Relu"; },
     "node \"1.gate\" (MatMul): expected it or node \"1.up\" (MatMul) to go into GELU, and not both."},
    {"SkippedNorm", [](OnnxSpec& s) { s.node("1.gate").inputs[0] = s.node("1.pre_ffn_norm").inputs[0]; },
     "node \"1.gate\" (MatMul): expected its input to come from node \"1.pre_ffn_norm\""},
    {"NamesOfAnotherLayer",
     [](OnnxSpec& s) {
       s.tensor("1.up").name = "model.layers.2.mlp.up_proj.MatMul.weight";
       s.node("1.up").inputs[1] = "model.layers.2.mlp.up_proj.MatMul.weight";
     },
     "tensor \"model.layers.2.mlp.up_proj.MatMul.weight\": expected the name of up_proj of layer 1, in whose "
     "place "
     "it is."},
    {"NamesOfAnotherRole",
     [](OnnxSpec& s) {
       s.tensor("1.up").name = "model.layers.1.mlp.gate_proj.MatMul.weight";
       s.node("1.up").inputs[1] = "model.layers.1.mlp.gate_proj.MatMul.weight";
     },
     "tensor \"model.layers.1.mlp.gate_proj.MatMul.weight\": expected the name of up_proj of layer 1"},
};

const Broken kWeights[] = {
    {"ANormOfAnotherSize",
     [](OnnxSpec& s) {
       s.tensor("4.q_norm").dims = {33};
       s.tensor("4.q_norm").bytes.resize(33 * 4);
     },
     "node \"4.q_norm\" (SimplifiedLayerNormalization): expected a constant weight of 64 or 32 numbers of "
     "floating "
     "point in \"4.q_norm\"."},
    {"NormsExchanged",
     [](OnnxSpec& s) { std::swap(s.node("4.q_norm").inputs[1], s.node("4.input_norm").inputs[1]); },
     "tensor \"4.q_norm\": expected 64 numbers in the place of node \"4.input_norm\""},
    {"NanInANorm", [](OnnxSpec& s) { set_float(s, "4.k_norm", 31, std::numeric_limits<float>::quiet_NaN()); },
     "tensor \"4.k_norm\": expected finite numbers."},
    {"InfinityInTheLastNorm",
     [](OnnxSpec& s) { set_float(s, "final_norm", 0, std::numeric_limits<float>::infinity()); },
     "tensor \"final_norm\": expected finite numbers."},
    {"AnotherEpsilon", [](OnnxSpec& s) { s.node("4.k_norm").attributes[1].second = 1e-5F; },
     "node \"4.k_norm\" (SimplifiedLayerNormalization): epsilon: expected 1e-06, found 1e-05."},
    {"NoEpsilon", [](OnnxSpec& s) { s.node("4.k_norm").attributes.clear(); },
     "node \"4.k_norm\" (SimplifiedLayerNormalization): epsilon: expected 1e-06, found 1e-05."},
    {"AWeightOfAnotherShape",
     [](OnnxSpec& s) {
       s.tensor("4.up").dims = {64, 95};
       s.tensor("4.up").bytes.resize(64 * 95 * 4);
     },
     "tensor \"4.up\": expected [96, 64], [out, in], in the place of up_proj of layer 4, found [95, 64]."},
    {"DenseOfAnOddWidth",
     [](OnnxSpec& s) {
       s.tensor("dense2").dims = {64, 100};
       s.tensor("dense2").bytes.resize(64 * 100 * 4);
       s.tensor("dense3").dims = {100, 64};
       s.tensor("dense3").bytes.resize(64 * 100 * 4);
     },
     "tensor \"dense2\": expected a multiple of 32 outputs, found 100."},
    {"DenseLayersThatDoNotMeet",
     [](OnnxSpec& s) {
       s.tensor("dense3").dims = {64, 128};
     },
     "expected two dense layers after the transformer that belong together, found \"dense2\" and "
     "\"dense3\"."},
    {"Bias",
     [](OnnxSpec& s) {
       s.tensors.push_back(make_floats("bias", std::vector<float>(96), {96}));
       const std::string x = s.node("4.up").inputs[0];
       replace(s, "4.up",
               {{"MatMul", {x, "4.up"}, {"p"}, {}, "", "4.up"}, {"Add", {"p", "bias"}, {}, {}, "", "add"}});
     },
     "node \"add\" (Add): uses tensor \"bias\" [96] of float, as no operator does"},
    {"AnotherMatrix",
     [](OnnxSpec& s) {
       s.tensors.push_back(make_floats("more", std::vector<float>(64 * 96), {64, 96}));
     },
     "tensor \"more\" [64, 96] of float: expected only the tensors of EmbeddingGemma."},
    {"GemmWithABias",
     [](OnnxSpec& s) {
       s.node("4.up").op = "Gemm";
       s.node("4.up").inputs.emplace_back("final_norm");
     },
     "node \"4.up\" (Gemm): expected no bias, found \"final_norm\"."},
    {"GemmWithAFactor",
     [](OnnxSpec& s) {
       s.node("4.up").op = "Gemm";
       s.node("4.up").attributes = {{"alpha", 2.0F}};
     },
     "node \"4.up\" (Gemm): alpha: expected 1."},
    {"ACastThatRounds",
     [](OnnxSpec& s) {
       const std::string x = s.node("4.up").inputs[0];
       replace(s, "4.up",
               {{"Cast", {"4.up"}, {"c"}, {{"to", integer(kFloat16)}}, "", "cast"},
                {"MatMul", {x, "c"}, {}, {}, "", "4.up"}});
     },
     "node \"cast\" (Cast): expected a cast of the weight \"4.up\" that does not round it."},
};

const Broken kOperators[] = {
    {"Bnb4", [](OnnxSpec& s) { use_codes(s, "MatMulBnb4", {}); },
     "node \"2.gate\" (com.microsoft.MatMulBnb4): uses tensor \"w\" [96, 2, 16] of uint8, as no operator "
     "does from "
     "which gemvec reads weights of EmbeddingGemma."},
    {"OrderOfInputs",
     [](OnnxSpec& s) {
       use_codes(s, "MatMulNBits", sizes(96, 64, 4, 32), {"", "b"});
     },
     "node \"2.gate\" (com.microsoft.MatMulNBits): expected no order of inputs (g_idx), found \"b\"."},
    {"BlocksWithABias",
     [](OnnxSpec& s) {
       use_codes(s, "MatMulNBits", sizes(96, 64, 4, 32), {"", "", "b"});
     },
     "node \"2.gate\" (com.microsoft.MatMulNBits): expected no bias, found \"b\"."},
    {"TwoBits", [](OnnxSpec& s) { use_codes(s, "MatMulNBits", sizes(96, 64, 2, 32)); },
     "node \"2.gate\" (com.microsoft.MatMulNBits): bits: expected 4 or 8, found 2."},
    {"OddBlocks", [](OnnxSpec& s) { use_codes(s, "MatMulNBits", sizes(96, 64, 4, 48)); },
     "node \"2.gate\" (com.microsoft.MatMulNBits): block_size: expected 16, 32, 64, 128 or 256, found 48."},
    {"TooFewCodes", [](OnnxSpec& s) { use_codes(s, "MatMulNBits", sizes(96, 64, 8, 32)); },
     "tensor \"w\": expected 6144 numbers of uint8 for node \"2.gate\" (com.microsoft.MatMulNBits), found "
     "[96, 2, 16] "
     "of uint8."},
    {"TooFewScales", [](OnnxSpec& s) { use_codes(s, "MatMulNBits", sizes(96, 64, 4, 16)); },
     "tensor \"s\": expected 384 numbers of float, float16 or bfloat16"},
    {"HugeSizes",
     [](OnnxSpec& s) { use_codes(s, "MatMulNBits", sizes(integer(1) << 31, integer(1) << 31, 8, 16)); },
     "tensor \"w\": expected 4611686018427387904 numbers of uint8"},
    {"NegativeSizes", [](OnnxSpec& s) { use_codes(s, "MatMulNBits", sizes(-1, 64, 4, 32)); },
     "node \"2.gate\" (com.microsoft.MatMulNBits): expected K and N from 1 to 2^31."},
    {"TooFewZeroPoints", [](OnnxSpec& s) { use_codes(s, "MatMulNBits", sizes(96, 64, 4, 32), {"b"}); },
     "tensor \"b\": expected 192 numbers of floating point"},
    {"StaticActivations",
     [](OnnxSpec& s) {
       s.tensor("2.gate").type = kInt8;
       s.tensor("2.gate").bytes.resize(64 * 96);
       s.tensors.push_back(make_floats("scale", {0.1F}));
       const std::string x = s.node("2.gate").inputs[0];
       replace(s, "2.gate",
               {{"QuantizeLinear", {x, "scale"}, {"xq"}, {}, "", ""},
                {"MatMulInteger", {"xq", "2.gate"}, {"p"}, {}, "", "2.gate"},
                {"Mul", {"p", "scale"}, {}, {}, "", "mul"}});
     },
     "node \"2.gate\" (MatMulInteger): expected DynamicQuantizeLinear to make input 0."},
    {"IntegersWithoutAScale",
     [](OnnxSpec& s) {
       s.tensor("2.gate").type = kInt8;
       s.tensor("2.gate").bytes.resize(64 * 96);
       const std::string x = s.node("2.gate").inputs[0];
       replace(s, "2.gate",
               {{"DynamicQuantizeLinear", {x}, {"xq", "xs", "xz"}, {}, "", ""},
                {"MatMulInteger", {"xq", "2.gate", "xz"}, {"p"}, {}, "", "2.gate"},
                {"Cast", {"p"}, {}, {}, "", "cast"}});
     },
     "node \"2.gate\" (MatMulInteger): expected its output to be cast and multiplied by the input's scale "
     "and the "
     "weight's."},
    {"ScalesOfAnotherCount",
     [](OnnxSpec& s) {
       s.tensor("2.gate").type = kInt8;
       s.tensor("2.gate").bytes.resize(64 * 96);
       s.tensors.push_back(make_floats("s", std::vector<float>(64, 0.1F), {64}));
       const std::string x = s.node("2.gate").inputs[0];
       replace(s, "2.gate",
               {{"DequantizeLinear", {"2.gate", "s"}, {"d"}, {}, "", "dq"},
                {"MatMul", {x, "d"}, {}, {}, "", "2.gate"}});
     },
     "node \"dq\" (DequantizeLinear): expected 96 scales for \"2.gate\", found [64]."},
};

const Broken kAttention[] = {
    {"AnotherTheta",
     [](OnnxSpec& s) {
       OnnxTensorSpec& table = s.tensor("sin_full");
       for (std::size_t p = 0; p < 300; ++p) {
         for (std::size_t i = 0; i < 16; ++i) {
           const double angle = static_cast<double>(p) * std::pow(5e5, -static_cast<double>(i) / 16);
           const auto sine = static_cast<float>(std::sin(angle));
           std::memcpy(table.bytes.data() + (p * 16 + i) * 4, &sine, 4);
         }
       }
     },
     "tensor \"sin_full\": expected cosines or sines of the rotary angles of base 1000000 or 10000, found "
     "other "
     "numbers in such a shape."},
    {"NanInATable",
     [](OnnxSpec& s) { set_float(s, "cos_sliding", 299 * 16, std::numeric_limits<float>::quiet_NaN()); },
     "tensor \"cos_sliding\": expected cosines or sines"},
    {"AnotherScale",
     [](OnnxSpec& s) {
       s.node("0.attention").attributes = {{"scale", 0.25F}};
     },
     "node \"0.attention\" (com.microsoft.MultiHeadAttention): scale: expected 0.176777, found 0.250000."},
};

const auto kTitle = [](const auto& test) { return test.param.title; };
INSTANTIATE_TEST_SUITE_P(Structure, OnnxBroken, ::testing::ValuesIn(kStructure), kTitle);
INSTANTIATE_TEST_SUITE_P(Weights, OnnxBroken, ::testing::ValuesIn(kWeights), kTitle);
INSTANTIATE_TEST_SUITE_P(Operators, OnnxBroken, ::testing::ValuesIn(kOperators), kTitle);
INSTANTIATE_TEST_SUITE_P(Attention, OnnxBroken, ::testing::ValuesIn(kAttention), kTitle);

TEST(OnnxBroken, AnotherConfiguration) {
  TinyOnnx onnx;
  onnx.model().config["num_hidden_layers"] = 6;
  onnx.model().config["layer_types"].as_array().pop_back();
  gemvec::testing::save(onnx.model(), onnx.folder());
  EXPECT_EQ(onnx.message(), "expected 6 norms in each of 6 layers and one after them, 37 in all, found 43.");
  onnx.model().config["model_type"] = "bert";
  gemvec::testing::save(onnx.model(), onnx.folder());
  EXPECT_NE(onnx.message().find("model_type"), std::string::npos);
}

TEST(OnnxBroken, AFileCutShortAnywhere) {
  TinyOnnx onnx;
  const std::string whole = gemvec::testing::onnx_bytes(onnx.spec);
  const std::size_t graph_end = whole.size() - 40;  // what imports the operator sets is not read
  for (std::size_t size = 0; size < graph_end; size += 1 + whole.size() / 60) {
    gemvec::testing::write_text(onnx.file(), whole.substr(0, size));
    const auto source = open_model(onnx.file());
    ASSERT_FALSE(source.ok()) << size;
    EXPECT_EQ(source.error().code, ErrorCode::kBadFormat);
    EXPECT_TRUE(source.error().message.starts_with(onnx.file().string() + ": ")) << source.error().message;
  }
}

}  // namespace
}  // namespace gemvec::source
