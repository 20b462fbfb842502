#include "convert/onnx_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <numbers>
#include <span>
#include <string_view>
#include <utility>

#include "convert/onnx_quantize.h"

namespace gemvec::convert {

namespace {

using formats::OnnxWriter;
using Attributes = std::vector<OnnxWriter::Attribute>;
using Integers = std::vector<std::int64_t>;
using Shape = std::vector<std::uint64_t>;
using Type = OnnxWriter::Type;

// 18 is the first in which every reduction takes its axes as an input, as later ones do too: one graph for
// all. 21 has tensors of 4 bits, and so has the file's own version 10.
constexpr std::int64_t kOperatorSet = 18, kIrVersion = 8;
constexpr std::int64_t kOperatorSet4 = 21, kIrVersion4 = 10;
constexpr std::string_view kMicrosoft = "com.microsoft";

struct Rotation {
  std::string cos, sin;  // [tokens, head_dim / 2]
};

class GraphBuilder {
 public:
  GraphBuilder(const source::ModelSource& source, const std::vector<SourceTensor>& tensors,
               ConvertNumbers numbers, std::string data_file)
      : config_(source.config),
        weights_(source.weights),
        tensors_(tensors),
        numbers_(numbers),
        plan_{.graph = OnnxWriter(std::move(data_file)), .tensors = {}, .operator_sets = {}} {}

  OnnxPlan build() {
    const bool int4 = numbers_ == ConvertNumbers::kQ4;
    plan_.ir_version = int4 ? kIrVersion4 : kIrVersion;
    plan_.operator_sets = {{"", int4 ? kOperatorSet4 : kOperatorSet}};
    if (int4) plan_.operator_sets.emplace_back(kMicrosoft, 1);
    add_inputs_and_constants();
    add_positions();
    std::string x = table();
    for (std::size_t i = 0; i < config_.layers; ++i) x = layer(i, x);
    scope_ = "/head";
    const std::string hidden = norm(x, weights_.final_norm);
    head(named("last_hidden_state", "Identity", {hidden}));
    return std::move(plan_);
  }

 private:
  void add_inputs_and_constants();
  void add_positions();
  Rotation rotation(bool full, const std::string& length);
  std::string table();
  std::string layer(std::size_t index, const std::string& x);
  std::string attention(const model::RawLayer& layer, bool full, const std::string& h);
  std::string feed_forward(const model::RawLayer& layer, const std::string& h);
  void head(const std::string& hidden);
  std::string norm(const std::string& x, const model::RawTensor& weight);
  std::string linear(const std::string& x, const model::RawTensor& weight);
  std::string rotate(const std::string& x, const Rotation& rotation);
  std::string gelu(const std::string& x);
  std::string by_head(const std::string& x, std::size_t count);

  // A node with one output, which gets a name of its own.
  std::string op(std::string_view kind, std::initializer_list<std::string> inputs, Attributes attributes = {},
                 std::string_view domain = {}) {
    const std::string out = fmt::format("{}/{}_{}", scope_, kind, node_count_);
    return named(out, kind, inputs, std::move(attributes), domain);
  }
  std::string named(const std::string& output, std::string_view kind,
                    std::initializer_list<std::string> inputs, Attributes attributes = {},
                    std::string_view domain = {}) {
    ++node_count_;
    plan_.graph.add_node({.op = kind,
                          .inputs = std::span(inputs.begin(), inputs.size()),
                          .outputs = {output},
                          .attributes = std::move(attributes),
                          .domain = domain});
    return output;
  }
  void constant(std::string_view name, float value) {
    plan_.graph.add_constant(name, {}, std::span<const float>(&value, 1));
  }
  // A vector, or without brackets a scalar.
  void constant(std::string_view name, const Integers& values) {
    const std::uint64_t size = values.size();
    plan_.graph.add_constant(name, std::span(&size, 1), values);
  }
  void constant(std::string_view name, std::int64_t value) {
    plan_.graph.add_constant(name, {}, std::span<const std::int64_t>(&value, 1));
  }
  const SourceTensor& source_of(const model::RawTensor& raw) const {
    return *std::find_if(tensors_.begin(), tensors_.end(),
                         [&](const SourceTensor& tensor) { return tensor.raw == &raw; });
  }
  std::string external(const std::string& name, Type type, const Shape& shape, std::uint64_t bytes,
                       Layout layout, const SourceTensor* source) {
    plan_.tensors.push_back({layout, source, plan_.graph.add_external(name, type, shape, bytes), bytes});
    return name;
  }
  std::string scales(const SourceTensor& tensor, const Shape& shape) {
    std::uint64_t bytes = sizeof(float);
    for (const std::uint64_t dim : shape) bytes *= dim;
    return external(tensor.name + "_scale", Type::kFloat, shape, bytes, Layout::kScales, &tensor);
  }

  const model::Config& config_;
  const model::RawWeights& weights_;
  const std::vector<SourceTensor>& tensors_;
  ConvertNumbers numbers_;
  OnnxPlan plan_;
  std::string scope_ = "/input";  // goes before the names of nodes
  std::size_t node_count_ = 0;
  Rotation full_, sliding_;
  std::string full_bias_, sliding_bias_;  // added to scores [batch, heads, tokens, tokens]
};

void GraphBuilder::add_inputs_and_constants() {
  const OnnxWriter::Dim batch = std::string("batch_size"), tokens = std::string("sequence_length");
  const OnnxWriter::Dim width = std::uint64_t{config_.width};
  for (const char* name : {"input_ids", "attention_mask"}) {
    plan_.graph.add_input(name, Type::kInt64, std::array{batch, tokens});
  }
  plan_.graph.add_output("last_hidden_state", Type::kFloat, std::array{batch, tokens, width});
  plan_.graph.add_output("sentence_embedding", Type::kFloat, std::array{batch, width});

  constant("zero", std::int64_t{0});
  constant("one", std::int64_t{1});
  constant("first", Integers{0});  // axes, and where slices begin
  constant("second", Integers{1});
  constant("second_and_third", Integers{1, 2});
  constant("last", Integers{-1});
  constant("window", static_cast<std::int64_t>(config_.window));
  constant("heads_joined", Integers{0, 0, static_cast<std::int64_t>(config_.query_width())});
  constant("query_heads", Integers{0, 0, static_cast<std::int64_t>(config_.heads),
                                   static_cast<std::int64_t>(config_.head_dim)});
  constant("key_heads", Integers{0, 0, 1, static_cast<std::int64_t>(config_.head_dim)});
  constant("zero_float", 0.0F);
  constant("half_float", 0.5F);
  constant("one_float", 1.0F);
  // Finite: a padded position whose window is all padding would otherwise be 0 / 0, and a NaN spreads.
  constant("lowest", std::numeric_limits<float>::lowest());
  constant("epsilon", config_.eps);
  constant("query_scale", config_.query_scale);
  constant("embedding_scale", static_cast<float>(std::sqrt(static_cast<double>(config_.width))));
  constant("gelu_cubic", 0.044715F);
  constant("gelu_root", static_cast<float>(std::sqrt(2 / std::numbers::pi)));
  constant("smallest_length", 1e-12F);
}

// Cosines, sines and masks of both kinds of layers, from the shape of the input and the mask.
void GraphBuilder::add_positions() {
  const bool any_full = std::find(config_.full_attention.begin(), config_.full_attention.end(), true) !=
                        config_.full_attention.end();
  const bool any_sliding = std::find(config_.full_attention.begin(), config_.full_attention.end(), false) !=
                           config_.full_attention.end();
  const std::string length =
      op("Shape", {"input_ids"}, {{"start", std::int64_t{1}}, {"end", std::int64_t{2}}});
  const std::string padding = op(
      "Unsqueeze", {op("Equal", {"attention_mask", "zero"}), "second_and_third"});  // [batch, 1, 1, tokens]
  if (any_full) {
    full_ = rotation(true, length);
    full_bias_ = op("Where", {padding, "lowest", "zero_float"});
  }
  if (!any_sliding) return;
  sliding_ = rotation(false, length);
  const std::string position = op("Range", {"zero", op("Squeeze", {length, "first"}), "one"});
  const std::string apart =
      op("Abs", {op("Sub", {op("Unsqueeze", {position, "second"}), op("Unsqueeze", {position, "first"})})});
  const std::string hidden = op("Or", {padding, op("Greater", {apart, "window"})});
  sliding_bias_ = op("Where", {hidden, "lowest", "zero_float"});
}

Rotation GraphBuilder::rotation(bool full, const std::string& length) {
  const Shape shape = {config_.max_tokens, config_.head_dim / 2};
  const std::uint64_t bytes = shape[0] * shape[1] * sizeof(float);
  const std::string kind = full ? "full" : "sliding";
  const std::string cos = external("rope." + kind + ".cos", Type::kFloat, shape, bytes,
                                   full ? Layout::kCosFull : Layout::kCosSliding, nullptr);
  const std::string sin = external("rope." + kind + ".sin", Type::kFloat, shape, bytes,
                                   full ? Layout::kSinFull : Layout::kSinSliding, nullptr);
  return {op("Slice", {cos, "first", length}), op("Slice", {sin, "first", length})};
}

// Rows of the embedding table, times sqrt(width): [batch, tokens, width].
std::string GraphBuilder::table() {
  const SourceTensor& tensor = source_of(weights_.embedding);
  const std::uint64_t rows = config_.vocab, cols = config_.width;
  std::string x;
  switch (numbers_) {
    case ConvertNumbers::kQ4: {
      const std::string codes = external(tensor.name + "_q4", Type::kInt4, {rows, cols}, rows * cols / 2,
                                         Layout::kInt4Rows, &tensor);
      x = op("GatherBlockQuantized", {codes, "input_ids", scales(tensor, {rows, cols / kInt4Block})},
             {{"block_size", static_cast<std::int64_t>(kInt4Block)},
              {"gather_axis", std::int64_t{0}},
              {"quantize_axis", std::int64_t{1}}},
             kMicrosoft);
      break;
    }
    case ConvertNumbers::kQ8: {
      // DequantizeLinear would make the whole table fp32 for every text.
      const std::string codes =
          external(tensor.name + "_q8", Type::kInt8, {rows, cols}, rows * cols, Layout::kInt8Rows, &tensor);
      const std::string scale = op("Gather", {scales(tensor, {rows, 1}), "input_ids"});
      const std::string row = op("Gather", {codes, "input_ids"});
      x = op("Mul", {op("Cast", {row}, {{"to", static_cast<std::int64_t>(Type::kFloat)}}), scale});
      break;
    }
    default:
      x = op("Gather", {external(tensor.name, Type::kFloat, {rows, cols}, rows * cols * sizeof(float),
                                 Layout::kRows, &tensor),
                        "input_ids"});
  }
  return op("Mul", {x, "embedding_scale"});
}

// x W^T of W [out, in].
std::string GraphBuilder::linear(const std::string& x, const model::RawTensor& weight) {
  const SourceTensor& tensor = source_of(weight);
  const std::uint64_t out = weight.rows, in = weight.cols;
  switch (numbers_) {
    case ConvertNumbers::kQ4: {
      const std::uint64_t blocks = in / kInt4Block;
      const std::string codes = external(tensor.name + "_q4", Type::kUint8, {out, blocks, kInt4Block / 2},
                                         out * in / 2, Layout::kInt4Rows, &tensor);
      return op("MatMulNBits", {x, codes, scales(tensor, {out, blocks})},
                {{"K", static_cast<std::int64_t>(in)},
                 {"N", static_cast<std::int64_t>(out)},
                 {"bits", std::int64_t{4}},
                 {"block_size", static_cast<std::int64_t>(kInt4Block)}},
                kMicrosoft);
    }
    case ConvertNumbers::kQ8: {
      const std::string codes =
          external(tensor.name + "_q8", Type::kInt8, {in, out}, out * in, Layout::kInt8Transposed, &tensor);
      return op("MatMul",
                {x, op("DequantizeLinear", {codes, scales(tensor, {out})}, {{"axis", std::int64_t{1}}})});
    }
    default:
      return op("MatMul", {x, external(tensor.name, Type::kFloat, {in, out}, out * in * sizeof(float),
                                       Layout::kTransposed, &tensor)});
  }
}

// x / sqrt(mean(x^2) + eps) * (1 + w) over the last axis. w itself is what the file has, so that nothing is
// rounded on the way; a runtime adds the 1 once, when it loads the graph.
std::string GraphBuilder::norm(const std::string& x, const model::RawTensor& weight) {
  const SourceTensor& tensor = source_of(weight);
  std::string scale =
      external(tensor.name, Type::kFloat, {weight.cols}, weight.cols * sizeof(float), Layout::kNorm, &tensor);
  if (!weight.one_added) scale = op("Add", {scale, "one_float"});
  const std::string mean = op("ReduceMean", {op("Mul", {x, x}), "last"}, {{"keepdims", std::int64_t{1}}});
  return op("Mul", {op("Div", {x, op("Sqrt", {op("Add", {mean, "epsilon"})})}), scale});
}

// Pairs (x[i], x[i + half]) turned by the angle of their position.
std::string GraphBuilder::rotate(const std::string& x, const Rotation& rotation) {
  const std::string a = fmt::format("{}/Split_{}_a", scope_, node_count_);
  const std::string b = fmt::format("{}/Split_{}_b", scope_, node_count_);
  ++node_count_;
  plan_.graph.add_node({.op = "Split",
                        .inputs = std::span(&x, 1),
                        .outputs = {a, b},
                        .attributes = {{"axis", std::int64_t{-1}}, {"num_outputs", std::int64_t{2}}}});
  const std::string first = op("Sub", {op("Mul", {a, rotation.cos}), op("Mul", {b, rotation.sin})});
  const std::string second = op("Add", {op("Mul", {b, rotation.cos}), op("Mul", {a, rotation.sin})});
  return op("Concat", {first, second}, {{"axis", std::int64_t{-1}}});
}

// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
std::string GraphBuilder::gelu(const std::string& x) {
  const std::string cube = op("Mul", {op("Mul", {x, x}), x});
  const std::string inner = op("Mul", {op("Add", {x, op("Mul", {cube, "gelu_cubic"})}), "gelu_root"});
  return op("Mul", {op("Mul", {x, "half_float"}), op("Add", {op("Tanh", {inner}), "one_float"})});
}

// [batch, tokens, heads * head_dim] -> [batch, tokens, heads, head_dim]
std::string GraphBuilder::by_head(const std::string& x, std::size_t count) {
  return op("Reshape", {x, count == 1 ? "key_heads" : "query_heads"});
}

std::string GraphBuilder::attention(const model::RawLayer& layer, bool full, const std::string& h) {
  const Rotation& rotation = full ? full_ : sliding_;
  const Attributes heads_first = {{"perm", Integers{0, 2, 1, 3}}};
  const std::string q = norm(by_head(linear(h, layer.q), config_.heads), layer.q_norm);
  const std::string k = norm(by_head(linear(h, layer.k), 1), layer.k_norm);
  const std::string v = op("Transpose", {by_head(linear(h, layer.v), 1)}, heads_first);
  const std::string query = op("Mul", {rotate(op("Transpose", {q}, heads_first), rotation), "query_scale"});
  const std::string key = op("Transpose", {rotate(op("Transpose", {k}, heads_first), rotation)},
                             {{"perm", Integers{0, 1, 3, 2}}});
  const std::string scores = op("Add", {op("MatMul", {query, key}), full ? full_bias_ : sliding_bias_});
  const std::string mixed = op("MatMul", {op("Softmax", {scores}, {{"axis", std::int64_t{-1}}}), v});
  return linear(op("Reshape", {op("Transpose", {mixed}, heads_first), "heads_joined"}), layer.o);
}

std::string GraphBuilder::feed_forward(const model::RawLayer& layer, const std::string& h) {
  const std::string gate = gelu(linear(h, layer.gate));
  return linear(op("Mul", {gate, linear(h, layer.up)}), layer.down);
}

std::string GraphBuilder::layer(std::size_t index, const std::string& x) {
  scope_ = fmt::format("/layers.{}", index);
  const model::RawLayer& layer = weights_.layers[index];
  const std::string attended = attention(layer, config_.full_attention[index], norm(x, layer.input_norm));
  const std::string y = op("Add", {x, norm(attended, layer.post_attention_norm)});
  const std::string fed = feed_forward(layer, norm(y, layer.pre_ffn_norm));
  return op("Add", {y, norm(fed, layer.post_ffn_norm)});
}

// The mean over the mask, the dense layers, unit length.
void GraphBuilder::head(const std::string& hidden) {
  const std::string mask =
      op("Unsqueeze",
         {op("Cast", {"attention_mask"}, {{"to", static_cast<std::int64_t>(Type::kFloat)}}), "last"});
  const Attributes drop = {{"keepdims", std::int64_t{0}}}, keep = {{"keepdims", std::int64_t{1}}};
  const std::string sum = op("ReduceSum", {op("Mul", {hidden, mask}), "second"}, drop);
  // A row without a token has nothing to divide.
  const std::string count = op("Max", {op("ReduceSum", {mask, "second"}, drop), "one_float"});
  std::string e = op("Div", {sum, count});
  if (config_.dense_width != 0) e = linear(linear(e, weights_.dense2), weights_.dense3);
  const std::string length = op("Max", {op("ReduceL2", {e, "last"}, keep), "smallest_length"});
  named("sentence_embedding", "Div", {e, length});
}

}  // namespace

OnnxPlan plan_onnx(const source::ModelSource& source, const std::vector<SourceTensor>& tensors,
                   ConvertNumbers numbers, std::string data_file) {
  return GraphBuilder(source, tensors, numbers, std::move(data_file)).build();
}

}  // namespace gemvec::convert
