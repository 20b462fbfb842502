#include "support/tiny_onnx.h"

#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

namespace gemvec::testing {

namespace {

std::string bytes_of(const std::vector<float>& numbers) {
  std::string bytes(numbers.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

class Builder {
 public:
  explicit Builder(TinyModel& model) : model_(model) {
    width_ = model.config.at("hidden_size").to_number<std::int64_t>();
    head_ = model.config.at("head_dim").to_number<std::int64_t>();
    layers_ = model.config.at("num_hidden_layers").to_number<std::int64_t>();
  }

  OnnxSpec build() {
    out_.inputs = {"input_ids", "attention_mask"};
    out_.outputs = {"last_hidden_state", "sentence_embedding"};
    for (const auto& [kind, theta] : {std::pair("full", 1e6), std::pair("sliding", 1e4)}) rotary(kind, theta);
    scalar("root", std::sqrt(static_cast<float>(width_)));
    tensor("embed", model_.tensor("embed_tokens.weight"));
    std::string x = op("Mul", {op("Gather", {"embed", "input_ids"}, "embed"), "root"});
    for (std::int64_t i = 0; i < layers_; ++i) x = layer(x, i);
    const std::string hidden = norm(x, "final_norm", "norm");
    out_.nodes.back().outputs[0] = "last_hidden_state";
    const std::string mean = op("ReduceMean", {"last_hidden_state"});
    const std::string dense = linear(mean, "dense2", model_.dense2_tensors[0]);
    linear(dense, "dense3", model_.dense3_tensors[0]);
    out_.nodes.back().outputs[0] = "sentence_embedding";
    return std::move(out_);
  }

 private:
  std::string op(const std::string& kind, std::vector<std::string> inputs, std::string name = "",
                 std::string domain = "") {
    const std::string output = kind + std::to_string(out_.nodes.size());
    out_.nodes.push_back(
        {kind, std::move(inputs), {output}, {}, std::move(domain), name.empty() ? output : std::move(name)});
    return output;
  }

  void tensor(const std::string& name, const TinyTensor& from) {
    OnnxTensorSpec to;
    to.name = name;
    to.dims.assign(from.shape.begin(), from.shape.end());
    to.bytes.assign(reinterpret_cast<const char*>(from.bytes.data()), from.bytes.size());
    out_.tensors.push_back(std::move(to));
  }

  void scalar(const std::string& name, float value) {
    OnnxTensorSpec to;
    to.name = name;
    to.floats = {value};
    out_.tensors.push_back(std::move(to));
  }

  void rotary(const std::string& kind, double theta) {
    constexpr std::int64_t kPositions = 300;
    for (const bool cosine : {true, false}) {
      std::vector<float> table;
      for (std::int64_t p = 0; p < kPositions; ++p) {
        for (std::int64_t i = 0; i < head_ / 2; ++i) {
          const double angle = static_cast<double>(p) *
                               std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_));
          table.push_back(static_cast<float>(cosine ? std::cos(angle) : std::sin(angle)));
        }
      }
      OnnxTensorSpec to;
      to.name = (cosine ? "cos_" : "sin_") + kind;
      to.dims = {kPositions, head_ / 2};
      to.bytes = bytes_of(table);
      out_.tensors.push_back(std::move(to));
    }
  }

  std::string linear(const std::string& x, const std::string& name, const TinyTensor& weight) {
    tensor(name, weight);
    OnnxTensorSpec& stored = out_.tensors.back();
    stored.bytes = transposed(stored);
    std::swap(stored.dims[0], stored.dims[1]);
    return op("MatMul", {x, name}, name);
  }

  std::string norm(const std::string& x, const std::string& name, const std::string& from) {
    tensor(name, model_.tensor(from + ".weight"));
    std::string& bytes = out_.tensors.back().bytes;
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(float)) {
      float w = 0;
      std::memcpy(&w, bytes.data() + at, sizeof(w));
      w += 1;
      std::memcpy(bytes.data() + at, &w, sizeof(w));
    }
    std::string y = op("SimplifiedLayerNormalization", {x, name}, name);
    out_.nodes.back().attributes = {{"axis", std::int64_t{-1}}, {"epsilon", 1e-6F}};
    return y;
  }

  std::string layer(std::string x, std::int64_t i) {
    const std::string at = std::to_string(i) + ".", from = "layers." + at;
    const auto weight = [&](const char* name) -> const TinyTensor& {
      return model_.tensor(from + name + ".weight");
    };
    std::string h = norm(x, at + "input_norm", from + "input_layernorm");
    const std::string q = linear(h, at + "q", weight("self_attn.q_proj"));
    const std::string k = linear(h, at + "k", weight("self_attn.k_proj"));
    const std::string v = linear(h, at + "v", weight("self_attn.v_proj"));
    const std::string q_norm = norm(op("Reshape", {q, "root"}), at + "q_norm", from + "self_attn.q_norm");
    const std::string k_norm = norm(op("Reshape", {k, "root"}), at + "k_norm", from + "self_attn.k_norm");
    const std::string kind = i % 6 == 5 ? "full" : "sliding";
    const std::string mixed = op("MultiHeadAttention", {q_norm, k_norm, v, "cos_" + kind, "sin_" + kind},
                                 at + "attention", "com.microsoft");
    const std::string o = linear(mixed, at + "o", weight("self_attn.o_proj"));
    x = op("Add", {x, norm(o, at + "post_attention_norm", from + "post_attention_layernorm")});
    h = norm(x, at + "pre_ffn_norm", from + "pre_feedforward_layernorm");
    const std::string gate = linear(h, at + "gate", weight("mlp.gate_proj"));
    const std::string up = linear(h, at + "up", weight("mlp.up_proj"));
    const std::string activated = op("FastGelu", {gate}, at + "gelu", "com.microsoft");
    const std::string m = linear(op("Mul", {activated, up}), at + "down", weight("mlp.down_proj"));
    return op("Add", {x, norm(m, at + "post_ffn_norm", from + "post_feedforward_layernorm")});
  }

  TinyModel& model_;
  std::int64_t width_ = 0, head_ = 0, layers_ = 0;
  OnnxSpec out_;
};

}  // namespace

OnnxSpec make_tiny_onnx(TinyModel& model) { return Builder(model).build(); }

std::string transposed(const OnnxTensorSpec& tensor) {
  const auto rows = static_cast<std::size_t>(tensor.dims[0]), cols = static_cast<std::size_t>(tensor.dims[1]);
  const std::size_t size = tensor.bytes.size() / (rows * cols);
  std::string out(tensor.bytes.size(), '\0');
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < cols; ++c)
      std::memcpy(out.data() + (c * rows + r) * size, tensor.bytes.data() + (r * cols + c) * size, size);
  }
  return out;
}

}  // namespace gemvec::testing
