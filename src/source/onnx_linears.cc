// Linear layers: the operators that multiply with a constant matrix, and what they mean.
#include <initializer_list>
#include <string>
#include <utility>

#include "base/quote.h"
#include "base/try.h"
#include "formats/safetensors.h"
#include "source/onnx_units.h"

namespace gemvec::source {

namespace {

using formats::OnnxNode;
using formats::OnnxTensor;
using formats::OnnxType;
using Linear = std::optional<OnnxLinear>;

// From MatMulInteger to the multiplication by its scale: a cast, and two multiplications at most.
constexpr int kMaxHops = 4;
// K and N of MatMulNBits. Their product has 63 bits, with the last block filled up.
constexpr std::int64_t kMaxSide = std::int64_t{1} << 31;

class LinearReader {
 public:
  LinearReader(const OnnxConstants& constants, const OnnxNode& node)
      : constants_(constants), graph_(constants.graph()), node_(node) {}

  Result<Linear> read() {
    if (is_op(node_, "MatMul")) return product(1);
    if (is_op(node_, "FusedMatMul")) return fused();
    if (is_op(node_, "Gemm")) return gemm();
    if (is_op(node_, "MatMulNBits")) return blocks();
    if (is_op(node_, "MatMulInteger")) return integer();
    if (is_op(node_, "DynamicQuantizeMatMul")) return integer_with_scale(2, 3, 4);
    if (is_op(node_, "MatMulIntegerToFloat")) return integer_with_scale(3, 5, 6);
    return Linear();
  }

 private:
  [[nodiscard]] Error bad(const std::string& problem, ErrorCode code = ErrorCode::kUnsupported) const {
    return graph_.bad(node_, problem, code);
  }

  [[nodiscard]] Linear linear(OnnxMatrix weight) const {
    return OnnxLinear{&node_, std::move(weight), node_.inputs[0]};
  }

  [[nodiscard]] Status no_input(std::size_t index, const std::string& what) const {
    if (!has_input(node_, index)) return {};
    return bad("expected no " + what + ", found " + base::quote(node_.inputs[index]));
  }

  // y = x W, W [in, out] in the graph. A matrix of one row or column is no layer: angles are made so.
  [[nodiscard]] Result<Linear> product(std::size_t weight) const {
    if (!has_input(node_, weight)) return Linear();
    GEMVEC_TRY(matrix, constants_.matrix(node_.inputs[weight]));
    if (!matrix || matrix->rows < 2 || matrix->cols < 2) return Linear();
    return linear(matrix->transpose());
  }

  [[nodiscard]] Result<Linear> fused() const {
    GEMVEC_TRY(found, product(1));
    if (!found) return Linear();
    GEMVEC_CHECK_OK(factors({"transA", "transBatchA", "transBatchB"}, "alpha"));
    if (node_.integer("transB", 0) != 0) found->weight = found->weight.transpose();
    return found;
  }

  [[nodiscard]] Result<Linear> gemm() const {
    GEMVEC_TRY(found, product(1));
    if (!found) return Linear();
    GEMVEC_CHECK_OK(no_input(2, "bias"));
    GEMVEC_CHECK_OK(factors({"transA"}, "alpha"));
    if (node_.integer("transB", 0) != 0) found->weight = found->weight.transpose();
    return found;
  }

  [[nodiscard]] Status factors(std::initializer_list<std::string_view> zeros, std::string_view one) const {
    for (const std::string_view name : zeros) {
      if (node_.integer(name, 0) != 0) return bad(std::string(name) + ": expected 0");
    }
    const auto* factor = node_.find(one);
    if (factor != nullptr && factor->number != 1) return bad(std::string(one) + ": expected 1");
    return {};
  }

  [[nodiscard]] Result<const OnnxTensor*> constant(std::size_t index, const std::string& what) const {
    const OnnxTensor* tensor = has_input(node_, index) ? graph_.constant(node_.inputs[index]) : nullptr;
    if (tensor == nullptr) return bad("expected constant " + what + " as input " + std::to_string(index));
    return tensor;
  }

  // MatMulNBits: B [N, blocks, block * bits / 8], scales [N, blocks], zero points [N, blocks].
  [[nodiscard]] Result<Linear> blocks() const {
    const std::int64_t k = node_.integer("K", 0), n = node_.integer("N", 0);
    const std::int64_t bits = node_.integer("bits", 4), block = node_.integer("block_size", 0);
    if (k < 1 || n < 1 || k > kMaxSide || n > kMaxSide) return bad("expected K and N from 1 to 2^31");
    if (bits != 4 && bits != 8) return bad("bits: expected 4 or 8, found " + std::to_string(bits));
    if (block != 16 && block != 32 && block != 64 && block != 128 && block != 256)
      return bad("block_size: expected 16, 32, 64, 128 or 256, found " + std::to_string(block));
    GEMVEC_CHECK_OK(no_input(4, "order of inputs (g_idx)"));
    GEMVEC_CHECK_OK(no_input(5, "bias"));
    GEMVEC_TRY(codes, constant(1, "codes"));
    GEMVEC_TRY(scales, constant(2, "scales"));
    const auto rows = static_cast<std::uint64_t>(n), step = static_cast<std::uint64_t>(block);
    const std::uint64_t count = (static_cast<std::uint64_t>(k) + step - 1) / step;  // blocks of a row
    const std::uint64_t bytes = rows * count * (step * static_cast<std::uint64_t>(bits) / 8);
    if (codes->type != OnnxType::kUint8 || codes->elements != bytes)
      return graph_.bad(*codes, expected(bytes, "uint8", *codes));
    const auto floats = floats_of(*scales);
    if (!floats || scales->elements != rows * count)
      return graph_.bad(*scales, expected(rows * count, "float, float16 or bfloat16", *scales));
    OnnxMatrix matrix;
    matrix.tensor = codes;
    matrix.ingredients = {scales};
    matrix.rows = rows;
    matrix.cols = static_cast<std::size_t>(k);
    const OnnxGrid grid{1, count, step, 1};
    const auto width = static_cast<unsigned>(bits);
    const int middle = bits == 4 ? 8 : 128;  // what the operator takes where no zero points are given
    matrix.affine =
        OnnxAffine{{codes->bytes.data(), width, false}, count * step, *floats, grid, {}, {}, grid, middle};
    if (has_input(node_, 3)) GEMVEC_CHECK_OK(zero_points(matrix, count));
    return linear(std::move(matrix));
  }

  // Codes as wide as the weights', each row of them filled up to whole bytes; or numbers like the scales.
  [[nodiscard]] Status zero_points(OnnxMatrix& matrix, std::uint64_t count) const {
    GEMVEC_TRY(zeros, constant(3, "zero points"));
    OnnxAffine& affine = *matrix.affine;
    const unsigned per_byte = 8 / affine.codes.bits;
    const std::uint64_t row_bytes = (count + per_byte - 1) / per_byte;
    if (const auto floats = floats_of(*zeros)) {
      if (zeros->elements != matrix.rows * count)
        return graph_.bad(*zeros, expected(matrix.rows * count, "floating point", *zeros));
      affine.zero_floats = *floats;
    } else {
      if (zeros->type != OnnxType::kUint8 || zeros->elements != matrix.rows * row_bytes)
        return graph_.bad(*zeros, expected(matrix.rows * row_bytes, "uint8", *zeros));
      affine.zero_codes = OnnxCodes{zeros->bytes.data(), affine.codes.bits, false};
      affine.zero_grid.row_step = row_bytes * per_byte;
    }
    matrix.ingredients.push_back(zeros);
    return {};
  }

  [[nodiscard]] std::string expected(std::uint64_t count, const std::string& type,
                                     const OnnxTensor& found) const {
    return "expected " + std::to_string(count) + " numbers of " + type + " for " +
           OnnxGraph::describe(node_) + ", found " + formats::shape_text(found.dims) + " of " +
           std::string(formats::name_of(found.type));
  }

  // Integer products, and their scale some nodes on: x's times the weight's.
  [[nodiscard]] Result<Linear> integer() const {
    if (!has_input(node_, 1) || graph_.constant(node_.inputs[1]) == nullptr) return Linear();
    GEMVEC_TRY(codes, constant(1, "codes"));
    GEMVEC_TRY(scale, scale_of_product());
    GEMVEC_TRY(matrix, columns(*codes, scale, 3));
    return linear(matrix.transpose());
  }

  [[nodiscard]] Result<Linear> integer_with_scale(std::size_t scale, std::size_t zero,
                                                  std::size_t bias) const {
    if (!has_input(node_, 1) || graph_.constant(node_.inputs[1]) == nullptr) return Linear();
    GEMVEC_CHECK_OK(no_input(bias, "bias"));
    GEMVEC_TRY(codes, constant(1, "codes"));
    GEMVEC_TRY(scales, constant(scale, "scales of the weight"));
    GEMVEC_TRY(matrix, columns(*codes, scales, zero));
    return linear(matrix.transpose());
  }

  // W [in, out] with one scale, or one for each column.
  [[nodiscard]] Result<OnnxMatrix> columns(const OnnxTensor& codes, const OnnxTensor* scales,
                                           std::size_t zero) const {
    OnnxQuantization q;
    q.scales = scales;
    if (has_input(node_, zero)) {
      GEMVEC_TRY(zeros, constant(zero, "zero points of the weight"));
      q.zeros = zeros;
    }
    q.axis = 1;
    return constants_.quantized(node_, codes, q);
  }

  // The product goes through a cast into Mul(product, Mul(scale of x, scale of W)), or into the two in turn.
  [[nodiscard]] Result<const OnnxTensor*> scale_of_product() const {
    const OnnxNode* x = graph_.maker(node_.inputs[0]);
    if (x == nullptr || !is_op(*x, "DynamicQuantizeLinear"))
      return bad("expected DynamicQuantizeLinear to make input 0");
    const OnnxNode* at = &node_;
    for (int hop = 0; hop < kMaxHops; ++hop) {
      if (at->outputs.empty() || graph_.users(at->outputs[0]).size() != 1) break;
      const std::string_view product = at->outputs[0];
      at = graph_.users(product)[0];
      if (is_op(*at, "Cast")) continue;
      if (!is_op(*at, "Mul") || at->inputs.size() != 2) break;
      const std::string_view other = at->inputs[at->inputs[0] == product ? 1 : 0];
      if (const OnnxTensor* scale = graph_.constant(other); scale != nullptr) return scale;
      const OnnxNode* scales = graph_.maker(other);
      if (scales == x) continue;  // the scale of x by itself
      if (scales == nullptr || !is_op(*scales, "Mul") || scales->inputs.size() != 2) break;
      for (const std::size_t i : {0U, 1U}) {
        const OnnxTensor* scale = graph_.constant(scales->inputs[i]);
        if (scale != nullptr && graph_.maker(scales->inputs[1 - i]) == x) return scale;
      }
      break;
    }
    return bad("expected its output to be cast and multiplied by the input's scale and the weight's");
  }

  const OnnxConstants& constants_;
  const OnnxGraph& graph_;
  const OnnxNode& node_;
};

}  // namespace

Result<std::optional<OnnxLinear>> read_linear(const OnnxConstants& constants, const OnnxNode& node) {
  return LinearReader(constants, node).read();
}

}  // namespace gemvec::source
