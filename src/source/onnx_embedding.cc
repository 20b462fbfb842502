// The embedding table: rows looked up in plain numbers, in codes, or in codes in blocks.
#include <string>
#include <string_view>
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
using formats::OnnxType;
using Embedding = std::optional<OnnxEmbedding>;

class EmbeddingReader {
 public:
  EmbeddingReader(const OnnxConstants& constants, const OnnxNode& node, const model::Config& config)
      : constants_(constants), graph_(constants.graph()), node_(node), config_(config) {}

  Result<Embedding> read() const {
    if (node_.inputs.size() < 2 || node_.outputs.empty()) return Embedding();
    if (is_op(node_, "Gather") && node_.integer("axis", 0) == 0) return gather();
    if (is_op(node_, "GatherBlockQuantized")) return gather_blocks();
    return Embedding();
  }

 private:
  [[nodiscard]] bool is_table(std::uint64_t rows, std::uint64_t cols) const {
    return rows == config_.vocab && cols == config_.width;
  }

  [[nodiscard]] Result<Embedding> gather() const {
    GEMVEC_TRY(matrix, constants_.matrix(node_.inputs[0]));
    if (matrix) {
      if (!is_table(matrix->rows, matrix->cols)) return Embedding();
      return Embedding(OnnxEmbedding{&node_, std::move(*matrix), node_.outputs[0]});
    }
    const OnnxTensor* codes = graph_.constant(node_.inputs[0]);
    if (codes == nullptr || codes->dims.size() != 2 || !is_table(codes->dims[0], codes->dims[1]) ||
        !codes_of(*codes))
      return Embedding();
    return gather_codes(*codes);
  }

  // Codes are looked up and then dequantised: [batch, tokens, width], whose last axis is the table's too.
  [[nodiscard]] Result<Embedding> gather_codes(const OnnxTensor& codes) const {
    GEMVEC_TRY(scaled, scale_rows(codes));
    if (scaled) return scaled;
    const OnnxNode* dequantizer = dequantizer_of(graph_, codes.name);
    if (dequantizer == nullptr || graph_.maker(dequantizer->inputs[0]) != &node_ ||
        dequantizer->outputs.empty())
      return graph_.bad(node_, "expected DequantizeLinear after it", ErrorCode::kUnsupported);
    OnnxQuantization q;
    if (has_input(*dequantizer, 1)) q.scales = graph_.constant(dequantizer->inputs[1]);
    if (has_input(*dequantizer, 2)) {
      q.zeros = graph_.constant(dequantizer->inputs[2]);
      if (q.zeros == nullptr)
        return graph_.bad(*dequantizer, "expected a constant zero point", ErrorCode::kUnsupported);
    }
    const std::int64_t axis = dequantizer->integer("axis", 1);
    const bool is_one = q.scales != nullptr && q.scales->elements == 1;
    if (!is_one && ((axis != 2 && axis != -1) || dequantizer->integer("block_size", 0) != 0)) {
      return graph_.bad(*dequantizer, "expected one scale, or one for each column", ErrorCode::kUnsupported);
    }
    GEMVEC_TRY(matrix, constants_.quantized(*dequantizer, codes, q));
    return Embedding(OnnxEmbedding{dequantizer, std::move(matrix), dequantizer->outputs[0]});
  }

  // Codes are looked up, cast and multiplied by their rows' scales, looked up with the same ids: what gemvec
  // itself writes, because DequantizeLinear has no scale for each row of what is looked up.
  [[nodiscard]] Result<Embedding> scale_rows(const OnnxTensor& codes) const {
    const OnnxNode* cast = only_user(node_.outputs[0], "Cast");
    const OnnxNode* product = cast == nullptr ? nullptr : only_user(cast->outputs[0], "Mul");
    if (product == nullptr || product->inputs.size() != 2) return Embedding();
    if (cast->integer("to", 0) != static_cast<std::int64_t>(OnnxType::kFloat)) return Embedding();
    const bool first = product->inputs[0] == cast->outputs[0];
    const OnnxNode* lookup = graph_.maker(product->inputs[first ? 1 : 0]);
    if (lookup == nullptr || !is_op(*lookup, "Gather") || lookup->inputs.size() < 2) return Embedding();
    if (lookup->inputs[1] != node_.inputs[1] || lookup->integer("axis", 0) != 0) return Embedding();
    const OnnxTensor* scales = graph_.constant(lookup->inputs[0]);
    if (scales == nullptr || scales->dims != std::vector<std::uint64_t>{config_.vocab, 1}) return Embedding();
    GEMVEC_TRY(matrix, constants_.quantized(*product, codes, {.scales = scales, .axis = 0}));
    return Embedding(OnnxEmbedding{product, std::move(matrix), product->outputs[0]});
  }

  // nullptr unless one node uses the value, is this operator, and has an output.
  [[nodiscard]] const OnnxNode* only_user(std::string_view value, std::string_view op) const {
    const auto& users = graph_.users(value);
    if (users.size() != 1 || !is_op(*users.front(), op) || users.front()->outputs.empty()) return nullptr;
    return users.front();
  }

  // GatherBlockQuantized: 4-bit numbers, or bytes that hold two of them or one of 8 bits; scales and zero
  // points [vocab, blocks].
  [[nodiscard]] Result<Embedding> gather_blocks() const {
    const OnnxTensor* codes = graph_.constant(node_.inputs[0]);
    const OnnxTensor* scales = has_input(node_, 2) ? graph_.constant(node_.inputs[2]) : nullptr;
    if (codes == nullptr || scales == nullptr)
      return graph_.bad(node_, "expected constant codes and scales", ErrorCode::kUnsupported);
    const bool is_bytes = codes->type == OnnxType::kUint8;
    const std::int64_t bits = node_.integer("bits", 4), block = node_.integer("block_size", 128);
    const auto known = codes_of(*codes);
    if (!known || (is_bytes ? bits != 4 && bits != 8 : known->bits != 4)) {
      return graph_.bad(*codes,
                        "expected int4, uint4, or uint8 with bits 4 or 8, found " +
                            std::string(formats::name_of(codes->type)),
                        ErrorCode::kUnsupported);
    }
    const std::int64_t axis = node_.integer("quantize_axis", 1);
    if (node_.integer("gather_axis", 0) != 0 || (axis != 1 && axis != -1))
      return graph_.bad(node_, "expected gather_axis 0 and quantize_axis 1", ErrorCode::kUnsupported);
    if (block < 16 || (block & (block - 1)) != 0)
      return graph_.bad(node_,
                        "block_size: expected a power of two of at least 16, found " + std::to_string(block));
    const unsigned width = is_bytes ? static_cast<unsigned>(bits) : 4;
    const std::uint64_t packed = is_bytes ? 8 / width : 1;  // numbers in an element
    if (codes->dims.size() != 2 || !is_table(codes->dims[0], codes->dims[1] * packed)) {
      return graph_.bad(*codes, "expected " + shape(config_.vocab, config_.width / packed) + ", found " +
                                    formats::shape_text(codes->dims));
    }
    return table(*codes, *scales, {codes->bytes.data(), width, known->is_signed},
                 static_cast<std::uint64_t>(block));
  }

  [[nodiscard]] Result<Embedding> table(const OnnxTensor& codes, const OnnxTensor& scales,
                                        const OnnxCodes& numbers, std::uint64_t block) const {
    const bool is_bytes = codes.type == OnnxType::kUint8;
    const std::uint64_t blocks = (config_.width + block - 1) / block;
    const auto floats = floats_of(scales);
    if (!floats || scales.elements != config_.vocab * blocks) {
      return graph_.bad(scales, "expected " + shape(config_.vocab, blocks) + " of floating point, found " +
                                    formats::shape_text(scales.dims));
    }
    const OnnxGrid grid{1, blocks, block, 1};
    // Unsigned numbers in bytes are MatMulNBits' own, around the middle; the 4-bit types are around 0.
    const int zero = is_bytes ? 1 << (numbers.bits - 1) : 0;
    OnnxMatrix matrix;
    matrix.tensor = &codes;
    matrix.ingredients = {&scales};
    matrix.rows = config_.vocab;
    matrix.cols = config_.width;
    matrix.affine = OnnxAffine{numbers, config_.width, *floats, grid, {}, {}, grid, zero};
    if (has_input(node_, 3)) GEMVEC_CHECK_OK(zero_points(matrix, codes, blocks));
    return Embedding(OnnxEmbedding{&node_, std::move(matrix), node_.outputs[0]});
  }

  // Of the codes' type. In bytes, each row of them is filled up to whole bytes.
  [[nodiscard]] Status zero_points(OnnxMatrix& matrix, const OnnxTensor& codes, std::uint64_t blocks) const {
    const OnnxTensor* zeros = graph_.constant(node_.inputs[3]);
    if (zeros == nullptr) return graph_.bad(node_, "expected constant zero points", ErrorCode::kUnsupported);
    OnnxAffine& affine = *matrix.affine;
    const std::uint64_t packed = codes.type == OnnxType::kUint8 ? 8 / affine.codes.bits : 1;
    const std::uint64_t row = (blocks + packed - 1) / packed;
    if (zeros->type != codes.type || zeros->elements != config_.vocab * row) {
      return graph_.bad(*zeros, "expected " + shape(config_.vocab, row) + " of " +
                                    std::string(formats::name_of(codes.type)) + ", found " +
                                    formats::shape_text(zeros->dims) + " of " +
                                    std::string(formats::name_of(zeros->type)));
    }
    affine.zero_codes = OnnxCodes{zeros->bytes.data(), affine.codes.bits, affine.codes.is_signed};
    affine.zero_grid.row_step = row * packed;
    matrix.ingredients.push_back(zeros);
    return {};
  }

  static std::string shape(std::uint64_t rows, std::uint64_t cols) {
    return "[" + std::to_string(rows) + ", " + std::to_string(cols) + "]";
  }

  const OnnxConstants& constants_;
  const OnnxGraph& graph_;
  const OnnxNode& node_;
  const model::Config& config_;
};

}  // namespace

Result<std::optional<OnnxEmbedding>> read_embedding(const OnnxConstants& constants, const OnnxNode& node,
                                                    const model::Config& config) {
  return EmbeddingReader(constants, node, config).read();
}

const OnnxNode* dequantizer_of(const OnnxGraph& graph, std::string_view codes) {
  const auto direct = [&](std::string_view value) -> const OnnxNode* {
    for (const OnnxNode* user : graph.users(value)) {
      if (is_op(*user, "DequantizeLinear") && user->inputs[0] == value) return user;
    }
    return nullptr;
  };
  if (const OnnxNode* found = direct(codes); found != nullptr) return found;
  for (const OnnxNode* user : graph.users(codes)) {
    if ((!is_op(*user, "Gather") && !is_op(*user, "Slice")) || user->outputs.empty()) continue;
    if (const OnnxNode* found = direct(user->outputs[0]); found != nullptr) return found;
  }
  return nullptr;
}

}  // namespace gemvec::source
