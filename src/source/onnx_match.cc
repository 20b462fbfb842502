#include "source/onnx_match.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "base/quote.h"
#include "base/try.h"
#include "formats/safetensors.h"
#include "source/onnx_leftovers.h"
#include "source/onnx_names.h"

namespace gemvec::source {

namespace {

using formats::OnnxNode;

constexpr std::size_t kLinears = 7;  // of a layer
constexpr std::size_t kNorms = 6;    // of a layer
// sqrt(width) in the graph may be a bf16 number: 27.75 for 27.7128.
constexpr double kRootTolerance = 0x1p-8;

class Matcher {
 public:
  Matcher(const OnnxGraph& graph, const model::Config& config)
      : graph_(graph), config_(config), constants_(graph) {}

  Result<OnnxMatch> match() {
    GEMVEC_CHECK_OK(collect());
    GEMVEC_CHECK_OK(check_onnx_leftovers(constants_, config_));
    GEMVEC_CHECK_OK(check_counts());
    GEMVEC_CHECK_OK(check_embedding());
    OnnxMatch out;
    out.embedding = std::move(*embedding_);
    const OnnxNode* before = out.embedding.node;
    out.layers.resize(config_.layers);
    for (std::size_t i = 0; i < config_.layers; ++i) {
      layer_ = i;
      GEMVEC_CHECK_OK(attention(out.layers[i], before));
      GEMVEC_CHECK_OK(feed_forward(out.layers[i]));
      before = out.layers[i].post_ffn_norm.node;
    }
    out.final_norm = norms_.back();
    GEMVEC_CHECK_OK(check_size(out.final_norm, config_.width));
    GEMVEC_CHECK_OK(follows(out.final_norm.node, out.final_norm.inputs, {before}));
    GEMVEC_CHECK_OK(dense(out));
    return out;
  }

 private:
  [[nodiscard]] Error bad(const std::string& problem) const {
    return {ErrorCode::kUnsupported, graph_.file() + ": " + problem + "."};
  }

  Status collect() {
    for (const OnnxNode* node : graph_.nodes()) {
      GEMVEC_CHECK_OK(collect_linear(*node));
      GEMVEC_CHECK_OK(collect_norm(*node));
      GEMVEC_TRY(embedding, read_embedding(constants_, *node, config_));
      if (embedding) GEMVEC_CHECK_OK(add(*embedding));
    }
    return {};
  }

  Status collect_linear(const OnnxNode& node) {
    GEMVEC_TRY(linear, read_linear(constants_, node));
    if (!linear) return {};
    const OnnxMatrix& weight = linear->weight;
    // Without a lookup: ids as rows of zeros and a one, times the table.
    if (weight.cols == config_.vocab && weight.rows == config_.width && !node.outputs.empty())
      return add({&node, weight.transpose(), node.outputs[0]});
    units_.insert(&node);
    constants_.take(weight);
    linears_.push_back(*linear);
    return {};
  }

  Status collect_norm(const OnnxNode& node) {
    GEMVEC_TRY(norm, read_norm(constants_, node, config_));
    if (!norm) return {};
    units_.insert(&node);
    constants_.take(*norm->weight.tensor);
    norms_.push_back(*norm);
    return {};
  }

  Status add(const OnnxEmbedding& embedding) {
    if (embedding_) return graph_.bad(*embedding.node, "expected one embedding table, found a second");
    units_.insert(embedding.node);
    constants_.take(embedding.table);
    embedding_ = embedding;
    return {};
  }

  [[nodiscard]] Status check_counts() const {
    const std::string table = formats::shape_text(std::array<std::uint64_t, 2>{config_.vocab, config_.width});
    if (!embedding_) return bad("expected a lookup in an embedding table " + table + ", found none");
    if (config_.heads < 2) return bad("expected more than one query head, or q and k cannot be told apart");
    const std::size_t layers = config_.layers;
    if (norms_.size() != kNorms * layers + 1) {
      return bad("expected 6 norms in each of " + std::to_string(layers) + " layers and one after them, " +
                 std::to_string(kNorms * layers + 1) + " in all, found " + std::to_string(norms_.size()));
    }
    if (linears_.size() != kLinears * layers && linears_.size() != kLinears * layers + 2) {
      return bad("expected 7 linear layers in each of " + std::to_string(layers) +
                 " layers and two after them, " + std::to_string(kLinears * layers + 2) + " in all, found " +
                 std::to_string(linears_.size()));
    }
    return {};
  }

  // The engine multiplies rows by sqrt(width), so the graph has to.
  [[nodiscard]] Status check_embedding() const {
    const double root = std::sqrt(static_cast<double>(config_.width));
    std::string_view value = embedding_->output;
    const OnnxNode* user = nullptr;
    while (true) {
      const auto& users = graph_.users(value);
      const auto found =
          std::find_if(users.begin(), users.end(), [](const OnnxNode* u) { return u->op != "Shape"; });
      user = found == users.end() ? nullptr : *found;
      const bool is_step = user != nullptr && !user->outputs.empty() &&
                           (is_op(*user, "Cast") || is_op(*user, "Identity") || is_op(*user, "Reshape"));
      if (!is_step) break;
      value = user->outputs[0];
    }
    if (user != nullptr && is_op(*user, "Mul") && user->inputs.size() == 2) {
      for (const std::string_view input : user->inputs) {
        const auto factor = constants_.scalar(input);
        if (factor && std::abs(*factor / root - 1) <= kRootTolerance) return {};
      }
    }
    return graph_.bad(
        *embedding_->node,
        "expected its rows to be multiplied by " + std::to_string(root) + ", the root of their width",
        ErrorCode::kUnsupported);
  }

  [[nodiscard]] Status check_size(const OnnxNorm& norm, std::size_t size) const {
    if (norm.weight.size != size) {
      return graph_.bad(*norm.weight.tensor,
                        "expected " + std::to_string(size) + " numbers in the place of " +
                            OnnxGraph::describe(*norm.node) + ", found " + std::to_string(norm.weight.size));
    }
    const OnnxFloats floats{norm.weight.tensor->bytes.data(), norm.weight.type};
    for (std::size_t i = 0; i < size; ++i) {
      if (!std::isfinite(floats.at(i))) return graph_.bad(*norm.weight.tensor, "expected finite numbers");
    }
    return {};
  }

  // Inputs that nothing but constants and other nodes lie between and the given nodes.
  [[nodiscard]] Status follows(const OnnxNode* node, const std::vector<std::string_view>& inputs,
                               std::initializer_list<const OnnxNode*> expected) const {
    NodeSet sources;
    for (const std::string_view input : inputs) sources.merge(graph_.upstream(input, units_));
    for (const OnnxNode* source : expected) {
      if (!sources.contains(source))
        return graph_.bad(*node, "expected its input to come from " + OnnxGraph::describe(*source));
    }
    return {};
  }

  [[nodiscard]] Status place(const OnnxLinear& linear, OnnxRole role, std::size_t out, std::size_t in,
                             std::initializer_list<const OnnxNode*> after) const {
    const formats::OnnxTensor& tensor = *linear.weight.tensor;
    if (linear.weight.rows != out || linear.weight.cols != in) {
      const auto shape = [](std::uint64_t rows, std::uint64_t cols) {
        return formats::shape_text(std::array{rows, cols});
      };
      return graph_.bad(tensor, "expected " + shape(out, in) + ", [out, in], in the place of " + at(role) +
                                    ", found " + shape(linear.weight.rows, linear.weight.cols));
    }
    GEMVEC_CHECK_OK(check_name(tensor, role));
    return follows(linear.node, {linear.input}, after);
  }

  [[nodiscard]] Status place(const OnnxNorm& norm, OnnxRole role, std::size_t size,
                             std::initializer_list<const OnnxNode*> after) const {
    GEMVEC_CHECK_OK(check_size(norm, size));
    GEMVEC_CHECK_OK(check_name(*norm.weight.tensor, role));
    return follows(norm.node, norm.inputs, after);
  }

  [[nodiscard]] std::string at(OnnxRole role) const {
    return std::string(name_of(role)) + " of layer " + std::to_string(layer_);
  }

  // A name is not needed. One that says something else means that one of the two is misunderstood.
  [[nodiscard]] Status check_name(const formats::OnnxTensor& tensor, OnnxRole role) const {
    if (!contradicts(tensor.name, role, layer_)) return {};
    return graph_.bad(tensor, "expected the name of " + at(role) + ", in whose place it is");
  }

  Status attention(OnnxLayer& out, const OnnxNode* before) {
    const std::size_t width = config_.width, head = config_.head_dim, queries = config_.query_width();
    const OnnxNorm* norms = &norms_[kNorms * layer_];
    const OnnxLinear* linears = &linears_[kLinears * layer_];
    out.input_norm = norms[0];
    out.post_attention_norm = norms[3];
    out.o = linears[3];
    GEMVEC_CHECK_OK(tell_heads_apart(out, norms + 1, linears));
    const OnnxNode* h = out.input_norm.node;
    GEMVEC_CHECK_OK(place(out.input_norm, OnnxRole::kInputNorm, width, {before}));
    GEMVEC_CHECK_OK(place(out.q, OnnxRole::kQ, queries, width, {h}));
    GEMVEC_CHECK_OK(place(out.k, OnnxRole::kK, head, width, {h}));
    GEMVEC_CHECK_OK(place(out.v, OnnxRole::kV, head, width, {h}));
    GEMVEC_CHECK_OK(place(out.q_norm, OnnxRole::kQNorm, head, {out.q.node}));
    GEMVEC_CHECK_OK(place(out.k_norm, OnnxRole::kKNorm, head, {out.k.node}));
    GEMVEC_CHECK_OK(
        place(out.o, OnnxRole::kO, width, queries, {out.v.node, out.q_norm.node, out.k_norm.node}));
    return place(out.post_attention_norm, OnnxRole::kPostAttentionNorm, width, {out.o.node});
  }

  // Three linear layers, of which two go into the two norms of heads.
  Status tell_heads_apart(OnnxLayer& out, const OnnxNorm* norms, const OnnxLinear* linears) const {
    std::array<const OnnxNorm*, 3> norm_of{};
    for (const OnnxNorm* norm : {norms, norms + 1}) {
      const NodeSet sources = graph_.upstream(norm->inputs[0], units_);
      for (std::size_t i = 0; i < 3; ++i) {
        if (sources.contains(linears[i].node)) norm_of[i] = norm;
      }
    }
    const OnnxLinear *q = nullptr, *k = nullptr, *v = nullptr;
    for (std::size_t i = 0; i < 3; ++i) {
      const bool is_wide = linears[i].weight.rows == config_.query_width();
      (norm_of[i] == nullptr ? v : is_wide ? q : k) = &linears[i];
    }
    if (q == nullptr || k == nullptr || v == nullptr || norm_of[q - linears] == norm_of[k - linears]) {
      return graph_.bad(*linears[0].node, "expected it to be one of q, k and v of layer " +
                                              std::to_string(layer_) +
                                              ", of which q and k each go into a norm of heads");
    }
    out.q = *q;
    out.k = *k;
    out.v = *v;
    out.q_norm = *norm_of[q - linears];
    out.k_norm = *norm_of[k - linears];
    return {};
  }

  Status feed_forward(OnnxLayer& out) {
    const std::size_t width = config_.width, ffn = config_.ffn;
    out.pre_ffn_norm = norms_[kNorms * layer_ + 4];
    out.post_ffn_norm = norms_[kNorms * layer_ + 5];
    const OnnxLinear& first = linears_[kLinears * layer_ + 4];
    const OnnxLinear& second = linears_[kLinears * layer_ + 5];
    out.down = linears_[kLinears * layer_ + 6];
    const bool is_first = goes_into_gelu(first), is_second = goes_into_gelu(second);
    if (is_first == is_second) {
      return graph_.bad(*first.node, "expected it or " + OnnxGraph::describe(*second.node) +
                                         " to go into GELU, and not both");
    }
    out.gate = is_first ? first : second;
    out.up = is_first ? second : first;
    const OnnxNode* h = out.pre_ffn_norm.node;
    GEMVEC_CHECK_OK(place(out.pre_ffn_norm, OnnxRole::kPreFfnNorm, width, {out.post_attention_norm.node}));
    GEMVEC_CHECK_OK(place(out.gate, OnnxRole::kGate, ffn, width, {h}));
    GEMVEC_CHECK_OK(place(out.up, OnnxRole::kUp, ffn, width, {h}));
    GEMVEC_CHECK_OK(place(out.down, OnnxRole::kDown, width, ffn, {out.gate.node, out.up.node}));
    return place(out.post_ffn_norm, OnnxRole::kPostFfnNorm, width, {out.down.node});
  }

  // As one operator, or written out with tanh; some exporters write erf.
  [[nodiscard]] bool goes_into_gelu(const OnnxLinear& linear) const {
    const NodeSet users = graph_.downstream(*linear.node, units_);
    return std::any_of(users.begin(), users.end(), [](const OnnxNode* node) {
      return is_op(*node, "Gelu") || is_op(*node, "FastGelu") || is_op(*node, "Tanh") || is_op(*node, "Erf");
    });
  }

  Status dense(OnnxMatch& out) const {
    if (linears_.size() == kLinears * config_.layers) return {};
    const OnnxLinear& first = linears_[linears_.size() - 2];
    const OnnxLinear& second = linears_.back();
    const std::size_t inner = first.weight.rows;
    if (first.weight.cols != config_.width || second.weight.rows != config_.width ||
        second.weight.cols != inner) {
      return bad("expected two dense layers after the transformer that belong together, found " +
                 base::quote(first.weight.tensor->name) + " and " + base::quote(second.weight.tensor->name));
    }
    GEMVEC_CHECK_OK(follows(first.node, {first.input}, {out.final_norm.node}));
    GEMVEC_CHECK_OK(follows(second.node, {second.input}, {first.node}));
    out.dense = {first, second};
    return {};
  }

  const OnnxGraph& graph_;
  const model::Config& config_;
  OnnxConstants constants_;
  std::optional<OnnxEmbedding> embedding_;
  std::vector<OnnxLinear> linears_;  // inputs before users
  std::vector<OnnxNorm> norms_;      // inputs before users
  NodeSet units_;                    // the nodes of all of these
  std::size_t layer_ = 0;
};

}  // namespace

Result<OnnxMatch> match_onnx(const OnnxGraph& graph, const model::Config& config) {
  return Matcher(graph, config).match();
}

}  // namespace gemvec::source
