#include "source/onnx_leftovers.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/quote.h"
#include "base/try.h"
#include "formats/safetensors.h"
#include "source/onnx_units.h"

namespace gemvec::source {

namespace {

using formats::OnnxNode;
using formats::OnnxTensor;

// Of the attention's scale, which may have gone through fp16.
constexpr double kScaleTolerance = 1e-3;

// Each cosine or sine of a table as its writer may have computed it in fp32: the frequency theta^(-2i / dim)
// within two units in the last place (2^-22 of it), and the angle, a product, rounded once more. So the angle
// is off by 2^-21 of itself at most, and its cosine by no more. Rounding the cosine is half a unit of the
// type at 1: 2^-25, 2^-12 for fp16 and 2^-9 for bf16; and a table in codes is off by as much as its largest
// step.
constexpr double kAngleTolerance = 0x1p-21;

class LeftoverChecker {
 public:
  LeftoverChecker(const OnnxConstants& constants, const model::Config& config)
      : constants_(constants), graph_(constants.graph()), config_(config) {}

  Status check() const {
    for (const OnnxTensor& tensor : graph_.model().tensors()) {
      if (constants_.is_taken(tensor) || (!float_type(tensor.type) && !codes_of(tensor))) continue;
      if (is_vector_of_activations(tensor)) return unknown(tensor);
      if (!is_large_matrix(tensor)) continue;
      GEMVEC_TRY(is_rotary, is_rotary_table(tensor));
      if (!is_rotary) return unknown(tensor);
    }
    for (const OnnxNode* node : graph_.nodes()) GEMVEC_CHECK_OK(attention(*node));
    return {};
  }

 private:
  // k_proj has the fewest numbers of all layers.
  [[nodiscard]] bool is_large_matrix(const OnnxTensor& tensor) const {
    const auto longer =
        std::count_if(tensor.dims.begin(), tensor.dims.end(), [](std::uint64_t dim) { return dim > 1; });
    const std::uint64_t packed = tensor.type == formats::OnnxType::kUint8 ? 2 : 1;  // 4-bit codes in bytes
    return longer > 1 && tensor.elements >= config_.head_dim * config_.width / packed;
  }

  [[nodiscard]] bool is_vector_of_activations(const OnnxTensor& tensor) const {
    if (!float_type(tensor.type) || tensor.elements < 2) return false;
    if (std::find(tensor.dims.begin(), tensor.dims.end(), tensor.elements) == tensor.dims.end()) return false;
    for (const std::size_t size :
         {config_.width, config_.head_dim, config_.ffn, config_.query_width(), config_.dense_width}) {
      if (tensor.elements == size) return true;
    }
    return false;
  }

  [[nodiscard]] Error unknown(const OnnxTensor& tensor) const {
    const std::string what = "tensor " + base::quote(tensor.name) + " " + formats::shape_text(tensor.dims) +
                             " of " + std::string(formats::name_of(tensor.type));
    const auto& users = graph_.users(tensor.name);
    if (users.empty()) {
      return {ErrorCode::kUnsupported,
              graph_.file() + ": " + what + ": expected only the tensors of EmbeddingGemma."};
    }
    return graph_.bad(
        *users.front(),
        "uses " + what + ", as no operator does from which gemvec reads weights of EmbeddingGemma",
        ErrorCode::kUnsupported);
  }

  // False if its shape is no rotary table's, or its numbers are no cosines and sines of such angles.
  [[nodiscard]] Result<bool> is_rotary_table(const OnnxTensor& tensor) const {
    const std::uint64_t cols = tensor.dims.back(), half = config_.head_dim / 2;
    if ((cols != half && cols != config_.head_dim) || tensor.elements / cols < 2) return false;
    for (std::size_t i = 0; i + 2 < tensor.dims.size(); ++i) {
      if (tensor.dims[i] != 1) return false;
    }
    OnnxMatrix matrix;
    double tolerance = 0;
    if (const auto floats = floats_of(tensor)) {
      matrix.tensor = &tensor;
      matrix.rows = tensor.elements / cols;
      matrix.cols = cols;
      matrix.floats = *floats;
      tolerance = floats->type == model::RawType::kF32   ? 0x1p-24
                  : floats->type == model::RawType::kF16 ? 0x1p-11
                                                         : 0x1p-8;
    } else {
      const OnnxNode* dequantizer = dequantizer_of(graph_, tensor.name);
      if (dequantizer == nullptr || tensor.dims.size() != 2) return false;
      GEMVEC_TRY(codes, constants_.dequantized(*dequantizer, tensor));
      // Only one scale for all: which axis another would be along is not known once rows were taken out.
      if (codes.ingredients[0]->elements != 1) return false;
      tolerance = std::abs(static_cast<double>(codes.affine->scales.at(0)));
      if (tolerance > 0.02) return false;  // 8-bit codes from -1 to 1 have steps of 1/127
      matrix = std::move(codes);
    }
    if (!is_cosines_or_sines(matrix, tolerance)) return bad_angles(tensor);
    return true;
  }

  [[nodiscard]] Error bad_angles(const OnnxTensor& tensor) const {
    const auto text = [](double theta) { return std::to_string(static_cast<long long>(theta)); };
    return graph_.bad(tensor,
                      "expected cosines or sines of the rotary angles of base " +
                          text(config_.rope_theta_full) + " or " + text(config_.rope_theta_sliding) +
                          ", found other numbers in such a shape",
                      ErrorCode::kUnsupported);
  }

  [[nodiscard]] bool is_cosines_or_sines(const OnnxMatrix& matrix, double tolerance) const {
    std::vector<std::unique_ptr<const model::RowReader>> readers;
    OnnxMatrix copy = matrix;
    OnnxTensor unmapped = *matrix.tensor;  // so that plain numbers get a reader, too
    unmapped.is_mapped = false;
    copy.tensor = &unmapped;
    const model::RowReader& rows = *to_raw(copy, nullptr, readers).reader;
    for (const double theta : {config_.rope_theta_full, config_.rope_theta_sliding}) {
      for (const bool cosine : {true, false}) {
        if (matches(rows, matrix.rows, matrix.cols, theta, cosine, tolerance)) return true;
      }
    }
    return false;
  }

  // Some positions suffice: 0, 1, 2, 4, ..., and the last. A wrong frequency shows in all of them but the
  // first.
  [[nodiscard]] bool matches(const model::RowReader& rows, std::size_t count, std::size_t cols, double theta,
                             bool cosine, double tolerance) const {
    const std::size_t half = config_.head_dim / 2;
    std::vector<float> row(cols);
    std::size_t position = 0;
    while (true) {
      rows.read(position, row.data());
      for (std::size_t c = 0; c < cols; ++c) {
        const double power = -2.0 * static_cast<double>(c % half) / static_cast<double>(config_.head_dim);
        const double angle = static_cast<double>(position) * std::pow(theta, power);
        const double expected = cosine ? std::cos(angle) : std::sin(angle);
        const double off = std::abs(static_cast<double>(row[c]) - expected);
        if (!(off <= tolerance + angle * kAngleTolerance)) return false;  // also a NaN
      }
      if (position + 1 == count) return true;
      position = position == 0 ? 1 : std::min(2 * position, count - 1);
    }
  }

  // An attention operator's own scale, where it has one.
  [[nodiscard]] Status attention(const OnnxNode& node) const {
    if (!is_op(node, "MultiHeadAttention") && !is_op(node, "GroupQueryAttention") &&
        !is_op(node, "Attention"))
      return {};
    const auto* scale = node.find("scale");
    if (scale == nullptr || scale->number == 0) return {};  // 0: 1 / sqrt(head_dim), ONNX Runtime says
    if (std::abs(scale->number / config_.query_scale - 1) <= kScaleTolerance) return {};
    return graph_.bad(
        node,
        "scale: expected " + std::to_string(config_.query_scale) + ", found " + std::to_string(scale->number),
        ErrorCode::kUnsupported);
  }

  const OnnxConstants& constants_;
  const OnnxGraph& graph_;
  const model::Config& config_;
};

}  // namespace

Status check_onnx_leftovers(const OnnxConstants& constants, const model::Config& config) {
  return LeftoverChecker(constants, config).check();
}

}  // namespace gemvec::source
