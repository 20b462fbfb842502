#include "source/onnx_constants.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/quote.h"
#include "base/try.h"
#include "formats/safetensors.h"

namespace gemvec::source {

namespace {

using formats::OnnxNode;
using formats::OnnxTensor;
using formats::OnnxType;

// Casts, a transposition and a DequantizeLinear: exporters stack two or three.
constexpr int kMaxDepth = 8;

bool is_cast(const OnnxNode& node) {
  return (is_op(node, "Cast") || is_op(node, "Identity")) && node.inputs.size() == 1;
}

// Whether every number of the type is one of the other type.
bool holds(OnnxType type, model::RawType numbers) {
  if (type == OnnxType::kFloat || type == OnnxType::kDouble) return true;
  return float_type(type) == numbers;
}

bool is_one(const std::optional<double>& number) { return number && *number == 1; }

}  // namespace

std::optional<model::RawType> float_type(OnnxType type) {
  switch (type) {
    case OnnxType::kFloat:
      return model::RawType::kF32;
    case OnnxType::kFloat16:
      return model::RawType::kF16;
    case OnnxType::kBfloat16:
      return model::RawType::kBf16;
    default:
      return std::nullopt;
  }
}

std::optional<OnnxFloats> floats_of(const OnnxTensor& tensor) {
  const auto type = float_type(tensor.type);
  if (!type) return std::nullopt;
  return OnnxFloats{tensor.bytes.data(), *type};
}

std::optional<OnnxCodes> codes_of(const OnnxTensor& tensor) {
  switch (tensor.type) {
    case OnnxType::kUint8:
    case OnnxType::kInt8:
    case OnnxType::kUint4:
    case OnnxType::kInt4:
      return OnnxCodes{tensor.bytes.data(), formats::bits_of(tensor.type),
                       tensor.type == OnnxType::kInt8 || tensor.type == OnnxType::kInt4};
    default:
      return std::nullopt;
  }
}

const OnnxNode* maker_before_casts(const OnnxGraph& graph, std::string_view value) {
  return graph.maker(value_before_casts(graph, value));
}

std::string_view value_before_casts(const OnnxGraph& graph, std::string_view value) {
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    const OnnxNode* node = graph.maker(value);
    if (node == nullptr || !is_cast(*node)) break;
    value = node->inputs[0];
  }
  return value;
}

OnnxMatrix OnnxMatrix::transpose() const {
  OnnxMatrix out = *this;
  std::swap(out.rows, out.cols);
  out.transposed = !transposed;
  return out;
}

std::string_view OnnxMatrix::numbers() const {
  if (affine) return affine->codes.bits == 8 ? "q8" : "q4";
  if (floats.type == model::RawType::kBf16) return "bf16";
  return floats.type == model::RawType::kF16 ? "fp16" : "fp32";
}

Result<std::optional<OnnxMatrix>> OnnxConstants::matrix(std::string_view value) const {
  return matrix(value, 0);
}

Result<std::optional<OnnxMatrix>> OnnxConstants::matrix(std::string_view value, int depth) const {
  using Answer = std::optional<OnnxMatrix>;
  if (depth > kMaxDepth) return Answer();
  if (const OnnxTensor* tensor = graph_.constant(value); tensor != nullptr) {
    const auto floats = floats_of(*tensor);
    if (!floats || tensor->dims.size() != 2) return Answer();
    OnnxMatrix matrix;
    matrix.tensor = tensor;
    matrix.rows = tensor->dims[0];
    matrix.cols = tensor->dims[1];
    matrix.floats = *floats;
    return Answer(std::move(matrix));
  }
  const OnnxNode* node = graph_.maker(value);
  return node == nullptr ? Answer() : made_by(*node, depth);
}

Result<std::optional<OnnxMatrix>> OnnxConstants::made_by(const OnnxNode& node, int depth) const {
  using Answer = std::optional<OnnxMatrix>;
  if (node.inputs.empty()) return Answer();
  if (is_op(node, "DequantizeLinear")) {
    const OnnxTensor* codes = graph_.constant(node.inputs[0]);
    if (codes == nullptr || codes->dims.size() != 2 || !codes_of(*codes)) return Answer();
    GEMVEC_TRY(matrix, dequantized(node, *codes));
    return Answer(std::move(matrix));
  }
  if (!is_cast(node) && !is_op(node, "Transpose")) return Answer();
  GEMVEC_TRY(inner, matrix(node.inputs[0], depth + 1));
  if (!inner) return Answer();
  if (is_op(node, "Transpose")) {
    const auto* perm = node.find("perm");
    if (perm == nullptr || perm->integers == std::vector<std::int64_t>{1, 0})
      return Answer(inner->transpose());
    return inner;
  }
  if (is_op(node, "Cast")) {
    const auto to = static_cast<OnnxType>(node.integer("to", 0));
    const bool is_exact = inner->affine ? holds(to, model::RawType::kF32) : holds(to, inner->floats.type);
    if (!is_exact) {
      return graph_.bad(
          node,
          "expected a cast of the weight " + base::quote(inner->tensor->name) + " that does not round it",
          ErrorCode::kUnsupported);
    }
  }
  return inner;
}

Result<OnnxMatrix> OnnxConstants::dequantized(const OnnxNode& node, const OnnxTensor& codes) const {
  OnnxQuantization q;
  if (has_input(node, 1)) q.scales = graph_.constant(node.inputs[1]);
  if (has_input(node, 2)) {
    q.zeros = graph_.constant(node.inputs[2]);
    if (q.zeros == nullptr) return graph_.bad(node, "expected constant zero points", ErrorCode::kUnsupported);
  }
  q.axis = node.integer("axis", 1);
  q.block = node.integer("block_size", 0);
  return quantized(node, codes, q);
}

Result<OnnxMatrix> OnnxConstants::quantized(const OnnxNode& node, const OnnxTensor& codes,
                                            const OnnxQuantization& q) const {
  const auto known = codes_of(codes);
  if (!known || codes.dims.size() != 2) {
    return graph_.bad(node, "expected codes of 4 or 8 bits with two dimensions in " + base::quote(codes.name),
                      ErrorCode::kUnsupported);
  }
  const auto scales = q.scales == nullptr ? std::nullopt : floats_of(*q.scales);
  if (!scales) {
    return graph_.bad(node, "expected constant scales of floating point for " + base::quote(codes.name),
                      ErrorCode::kUnsupported);
  }
  const std::size_t rows = codes.dims[0], cols = codes.dims[1];
  const std::int64_t axis = q.axis < 0 ? q.axis + 2 : q.axis;
  std::uint64_t expected = 1;
  OnnxGrid grid;
  // One number for all is that also where an axis is named: the axis says nothing then.
  if (q.block > 0 && (axis == 0 || axis == 1)) {
    const auto block = static_cast<std::uint64_t>(q.block);
    const std::uint64_t along = axis == 0 ? rows : cols;
    const std::uint64_t blocks = along / block + (along % block != 0 ? 1 : 0);
    expected = blocks * (axis == 0 ? cols : rows);
    grid = axis == 0 ? OnnxGrid{block, cols, 1, 1} : OnnxGrid{1, blocks, block, 1};
  } else if (q.scales->elements != 1 && (axis == 0 || axis == 1)) {
    expected = axis == 0 ? rows : cols;
    grid = axis == 0 ? OnnxGrid{1, 1, 1, 0} : OnnxGrid{1, 0, 1, 1};
  }
  if (q.scales->elements != expected) {
    return graph_.bad(node, "expected " + std::to_string(expected) + " scales for " +
                                base::quote(codes.name) + ", found " + formats::shape_text(q.scales->dims));
  }
  OnnxMatrix matrix;
  matrix.tensor = &codes;
  matrix.ingredients = {q.scales};
  matrix.rows = rows;
  matrix.cols = cols;
  matrix.affine = OnnxAffine{*known, cols, *scales, grid, {}, {}, grid, 0};
  if (q.zeros != nullptr) {
    const auto zeros = codes_of(*q.zeros);
    // One zero point for many scales is what one writer makes of a symmetric quantisation.
    if (!zeros || q.zeros->type != codes.type || (q.zeros->elements != expected && q.zeros->elements != 1)) {
      return graph_.bad(node, "expected " + std::to_string(expected) + " zero points of " +
                                  std::string(formats::name_of(codes.type)) + " for " +
                                  base::quote(codes.name) + ", found " + formats::shape_text(q.zeros->dims) +
                                  " of " + std::string(formats::name_of(q.zeros->type)));
    }
    matrix.affine->zero_codes = zeros;
    if (q.zeros->elements == 1) matrix.affine->zero_grid = {};
    matrix.ingredients.push_back(q.zeros);
  }
  return matrix;
}

std::optional<OnnxVector> OnnxConstants::vector(std::string_view value) const { return vector(value, 0); }

std::optional<OnnxVector> OnnxConstants::vector(std::string_view value, int depth) const {
  if (depth > kMaxDepth) return std::nullopt;
  if (const OnnxTensor* tensor = graph_.constant(value); tensor != nullptr) {
    const auto type = float_type(tensor->type);
    const bool is_vector =
        std::find(tensor->dims.begin(), tensor->dims.end(), tensor->elements) != tensor->dims.end();
    if (!type || !is_vector || tensor->elements < 2) return std::nullopt;
    return OnnxVector{tensor, tensor->elements, *type, false};
  }
  const OnnxNode* node = graph_.maker(value);
  if (node == nullptr || node->inputs.empty()) return std::nullopt;
  if (is_cast(*node)) {
    const auto inner = vector(node->inputs[0], depth + 1);
    const bool is_exact =
        inner && (!is_op(*node, "Cast") || holds(static_cast<OnnxType>(node->integer("to", 0)), inner->type));
    return is_exact ? inner : std::nullopt;
  }
  if (!is_op(*node, "Add") || node->inputs.size() != 2) return std::nullopt;
  for (const std::size_t one : {0U, 1U}) {
    if (!is_one(scalar(node->inputs[one]))) continue;
    auto inner = vector(node->inputs[1 - one], depth + 1);
    if (!inner || inner->plus_one) return std::nullopt;
    inner->plus_one = true;
    return inner;
  }
  return std::nullopt;
}

std::optional<double> OnnxConstants::scalar(std::string_view value) const {
  const OnnxTensor* tensor = graph_.constant(value_before_casts(graph_, value));
  if (tensor == nullptr || tensor->elements != 1) return std::nullopt;
  if (const auto floats = floats_of(*tensor)) return static_cast<double>(floats->at(0));
  if (tensor->type == OnnxType::kDouble) {
    double number = 0;
    std::memcpy(&number, tensor->bytes.data(), sizeof(number));
    return number;
  }
  if (tensor->type == OnnxType::kInt64) {
    std::int64_t number = 0;
    std::memcpy(&number, tensor->bytes.data(), sizeof(number));
    return static_cast<double>(number);
  }
  return std::nullopt;
}

void OnnxConstants::take(const OnnxMatrix& matrix) {
  take(*matrix.tensor);
  for (const OnnxTensor* tensor : matrix.ingredients) take(*tensor);
}

model::RawTensor to_raw(const OnnxMatrix& matrix, std::shared_ptr<const void> storage,
                        std::vector<std::unique_ptr<const model::RowReader>>& readers) {
  model::RawTensor raw;
  raw.rows = matrix.rows;
  raw.cols = matrix.cols;
  if (!matrix.affine && !matrix.transposed && matrix.tensor->is_mapped) {
    raw.type = matrix.floats.type;
    raw.data = matrix.floats.data;
    return raw;
  }
  OnnxMemory memory{matrix.rows, matrix.cols, matrix.transposed, std::move(storage)};
  if (matrix.transposed) std::swap(memory.rows, memory.cols);
  readers.push_back(matrix.affine ? make_affine_rows(*matrix.affine, std::move(memory))
                                  : make_float_rows(matrix.floats, std::move(memory)));
  raw.type = model::RawType::kRows;
  raw.reader = readers.back().get();
  return raw;
}

model::RawTensor to_raw(const OnnxVector& vector, std::shared_ptr<const void> storage,
                        std::vector<std::unique_ptr<const model::RowReader>>& readers) {
  OnnxMatrix matrix;
  matrix.tensor = vector.tensor;
  matrix.rows = 1;
  matrix.cols = vector.size;
  matrix.floats = {vector.tensor->bytes.data(), vector.type};
  model::RawTensor raw = to_raw(matrix, std::move(storage), readers);
  raw.one_added = !vector.plus_one;
  return raw;
}

}  // namespace gemvec::source
