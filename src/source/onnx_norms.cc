// Norms: x / sqrt(mean(x^2) + eps) * weight, as one operator or written out.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "base/quote.h"
#include "base/try.h"
#include "source/onnx_units.h"

namespace gemvec::source {

namespace {

using formats::OnnxNode;
using formats::OnnxTensor;
using Norm = std::optional<OnnxNorm>;

// eps goes through fp32, and in some files through fp16, whose nearest number to 1e-6 is 1.01e-6.
constexpr double kEpsTolerance = 0.05;

struct Operator {
  std::string_view op;
  std::size_t weight;     // its input
  std::size_t values;     // how many inputs are added up before
  float eps;              // where the attribute is absent
  std::size_t forbidden;  // the input of a bias; 0: the operator has none
};
constexpr std::array kOperators = {
    Operator{"SimplifiedLayerNormalization", 1, 1, 1e-5F, 2},
    Operator{"RMSNormalization", 1, 1, 1e-5F, 0},
    Operator{"SkipSimplifiedLayerNormalization", 2, 2, 1e-12F, 3},
};

class NormReader {
 public:
  NormReader(const OnnxConstants& constants, const OnnxNode& node, const model::Config& config)
      : constants_(constants), graph_(constants.graph()), node_(node), config_(config) {}

  Result<Norm> read() const {
    for (const Operator& known : kOperators) {
      if (is_op(node_, known.op)) return fused(known);
    }
    if (is_op(node_, "Mul")) return written_out();
    return Norm();
  }

 private:
  [[nodiscard]] bool is_width(std::size_t size) const {
    return size == config_.width || size == config_.head_dim;
  }

  [[nodiscard]] Status check_eps(double eps) const {
    if (std::abs(eps / static_cast<double>(config_.eps) - 1) <= kEpsTolerance) return {};
    return graph_.bad(node_, fmt::format("epsilon: expected {:.3g}, found {:.3g}", config_.eps, eps),
                      ErrorCode::kUnsupported);
  }

  [[nodiscard]] Result<Norm> fused(const Operator& known) const {
    if (!has_input(node_, known.weight)) return graph_.bad(node_, "expected a weight, found no such input");
    const auto weight = constants_.vector(node_.inputs[known.weight]);
    if (!weight || !is_width(weight->size)) {
      return graph_.bad(node_, "expected a constant weight of " + std::to_string(config_.width) + " or " +
                                   std::to_string(config_.head_dim) + " numbers of floating point in " +
                                   base::quote(node_.inputs[known.weight]));
    }
    if (known.forbidden != 0 && has_input(node_, known.forbidden))
      return graph_.bad(node_, "expected no bias, found one", ErrorCode::kUnsupported);
    const auto* eps = node_.find("epsilon");
    GEMVEC_CHECK_OK(check_eps(eps == nullptr ? known.eps : eps->number));
    const auto values = node_.inputs.begin();
    return Norm(OnnxNorm{&node_, *weight, {values, values + static_cast<std::ptrdiff_t>(known.values)}});
  }

  // Mul(x / rms, weight). Another product with such a constant is no norm.
  [[nodiscard]] Result<Norm> written_out() const {
    if (node_.inputs.size() != 2) return Norm();
    for (const std::size_t i : {0U, 1U}) {
      const auto weight = constants_.vector(node_.inputs[i]);
      if (!weight || !is_width(weight->size)) continue;
      GEMVEC_TRY(value, normalized(node_.inputs[1 - i]));
      if (!value) return Norm();
      return Norm(OnnxNorm{&node_, *weight, {*value}});
    }
    return Norm();
  }

  // The value x of x / sqrt(mean(x^2) + eps); empty if it is something else.
  [[nodiscard]] Result<std::optional<std::string_view>> normalized(std::string_view value) const {
    using Answer = std::optional<std::string_view>;
    const OnnxNode* node = maker_before_casts(graph_, value);
    if (node == nullptr || node->inputs.size() != 2) return Answer();
    if (is_op(*node, "Div")) {
      const OnnxNode* root = maker_before_casts(graph_, node->inputs[1]);
      if (root == nullptr || !is_op(*root, "Sqrt")) return Answer();
      return mean_of_squares(root->inputs[0], node->inputs[0]);
    }
    if (!is_op(*node, "Mul")) return Answer();
    for (const std::size_t i : {0U, 1U}) {
      const auto inside = reciprocal_root(node->inputs[i]);
      if (inside) return mean_of_squares(*inside, node->inputs[1 - i]);
    }
    return Answer();
  }

  // s of 1 / sqrt(s) in its three spellings.
  [[nodiscard]] std::optional<std::string_view> reciprocal_root(std::string_view value) const {
    const OnnxNode* node = maker_before_casts(graph_, value);
    if (node == nullptr || node->inputs.empty()) return std::nullopt;
    std::string_view root;
    if (is_op(*node, "Reciprocal")) root = node->inputs[0];
    if (node->inputs.size() == 2) {
      if (is_op(*node, "Pow") && constants_.scalar(node->inputs[1]) == -0.5) return node->inputs[0];
      if (is_op(*node, "Div") && constants_.scalar(node->inputs[0]) == 1.0) root = node->inputs[1];
    }
    const OnnxNode* maker = root.empty() ? nullptr : maker_before_casts(graph_, root);
    if (maker == nullptr || !is_op(*maker, "Sqrt") || maker->inputs.empty()) return std::nullopt;
    return maker->inputs[0];
  }

  // x, if `value` is mean(x^2) + eps over the last axis.
  [[nodiscard]] Result<std::optional<std::string_view>> mean_of_squares(std::string_view value,
                                                                        std::string_view x) const {
    using Answer = std::optional<std::string_view>;
    const OnnxNode* sum = maker_before_casts(graph_, value);
    if (sum == nullptr || !is_op(*sum, "Add") || sum->inputs.size() != 2) return Answer();
    const std::size_t eps = constants_.scalar(sum->inputs[0]) ? 0 : 1;
    const auto number = constants_.scalar(sum->inputs[eps]);
    const OnnxNode* mean = maker_before_casts(graph_, sum->inputs[1 - eps]);
    if (!number || mean == nullptr || !is_op(*mean, "ReduceMean") || mean->inputs.empty()) return Answer();
    if (!is_over_last_axis(*mean) || !is_square(mean->inputs[0], x)) return Answer();
    GEMVEC_CHECK_OK(check_eps(*number));
    return Answer(x);
  }

  // Of [batch, tokens, width] or [batch, tokens, heads, width], or the same with heads before tokens.
  [[nodiscard]] bool is_over_last_axis(const OnnxNode& mean) const {
    std::int64_t axis = 0;
    if (const auto* axes = mean.find("axes"); axes != nullptr && axes->integers.size() == 1) {
      axis = axes->integers[0];
    } else if (has_input(mean, 1)) {
      axis = static_cast<std::int64_t>(constants_.scalar(mean.inputs[1]).value_or(0));
    }
    return axis == -1 || axis == 2 || axis == 3;
  }

  [[nodiscard]] bool is_square(std::string_view value, std::string_view x) const {
    const OnnxNode* square = maker_before_casts(graph_, value);
    if (square == nullptr || square->inputs.size() != 2) return false;
    const auto is_x = [&](std::string_view input) {
      return value_before_casts(graph_, input) == value_before_casts(graph_, x);
    };
    if (is_op(*square, "Pow")) return is_x(square->inputs[0]) && constants_.scalar(square->inputs[1]) == 2.0;
    return is_op(*square, "Mul") && is_x(square->inputs[0]) && is_x(square->inputs[1]);
  }

  const OnnxConstants& constants_;
  const OnnxGraph& graph_;
  const OnnxNode& node_;
  const model::Config& config_;
};

}  // namespace

Result<std::optional<OnnxNorm>> read_norm(const OnnxConstants& constants, const OnnxNode& node,
                                          const model::Config& config) {
  return NormReader(constants, node, config).read();
}

}  // namespace gemvec::source
