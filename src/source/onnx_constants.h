// Constants of an ONNX graph as matrices, vectors and numbers: initializers, and what a few nodes make of
// them before the graph runs (a cast, a transposition, codes turned into numbers).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "formats/onnx.h"
#include "gemvec/result.h"
#include "model/raw_weights.h"
#include "source/onnx_graph.h"
#include "source/onnx_rows.h"

namespace gemvec::source {

struct OnnxMatrix {
  const formats::OnnxTensor* tensor = nullptr;          // stands for it in messages
  std::vector<const formats::OnnxTensor*> ingredients;  // scales and zero points
  std::size_t rows = 0, cols = 0;
  bool transposed = false;           // in memory it is [cols, rows]
  std::optional<OnnxAffine> affine;  // codes
  OnnxFloats floats;                 // otherwise

  [[nodiscard]] OnnxMatrix transpose() const;
  [[nodiscard]] std::string_view numbers() const;  // "fp32", "bf16", "fp16", "q8", "q4"
};

struct OnnxVector {
  const formats::OnnxTensor* tensor = nullptr;
  std::size_t size = 0;
  model::RawType type = model::RawType::kF32;
  bool plus_one = false;  // the graph adds 1 to it
};

// What quantises a tensor's codes, before it is checked against them.
struct OnnxQuantization {
  const formats::OnnxTensor* scales = nullptr;
  const formats::OnnxTensor* zeros = nullptr;  // nullptr: zero points are 0
  std::int64_t axis = 1;                       // ignored for one scale
  std::int64_t block = 0;                      // 0: none
};

class OnnxConstants {
 public:
  explicit OnnxConstants(const OnnxGraph& graph) : graph_(graph) {}

  // Empty if the value is not a constant with two dimensions. Errors: kBadFormat, kUnsupported, where it is
  // one and does not hold together.
  [[nodiscard]] Result<std::optional<OnnxMatrix>> matrix(std::string_view value) const;
  // Empty if the value is not a constant of floating point with one dimension longer than 1.
  [[nodiscard]] std::optional<OnnxVector> vector(std::string_view value) const;
  // Empty if the value is not one constant number.
  [[nodiscard]] std::optional<double> scalar(std::string_view value) const;

  // Codes of 4 or 8 bits [rows, cols] with what DequantizeLinear's inputs would be. `node` is for messages.
  [[nodiscard]] Result<OnnxMatrix> quantized(const formats::OnnxNode& node, const formats::OnnxTensor& codes,
                                             const OnnxQuantization& quantization) const;
  // The same from a DequantizeLinear node, whose first input need not be the codes themselves.
  [[nodiscard]] Result<OnnxMatrix> dequantized(const formats::OnnxNode& node,
                                               const formats::OnnxTensor& codes) const;

  // A tensor that nobody took would be silently left out of the computation.
  void take(const OnnxMatrix& matrix);
  void take(const formats::OnnxTensor& tensor) { taken_.insert(&tensor); }
  [[nodiscard]] bool is_taken(const formats::OnnxTensor& tensor) const { return taken_.contains(&tensor); }

  [[nodiscard]] const OnnxGraph& graph() const { return graph_; }

 private:
  [[nodiscard]] Result<std::optional<OnnxMatrix>> matrix(std::string_view value, int depth) const;
  [[nodiscard]] Result<std::optional<OnnxMatrix>> made_by(const formats::OnnxNode& node, int depth) const;
  [[nodiscard]] std::optional<OnnxVector> vector(std::string_view value, int depth) const;

  const OnnxGraph& graph_;
  std::set<const formats::OnnxTensor*> taken_;
};

// Empty for another type.
std::optional<model::RawType> float_type(formats::OnnxType type);
std::optional<OnnxFloats> floats_of(const formats::OnnxTensor& tensor);
// Of 4 or 8 bits; empty for another type.
std::optional<OnnxCodes> codes_of(const formats::OnnxTensor& tensor);

// Through Cast and Identity to what made the numbers; nullptr if no node did.
const formats::OnnxNode* maker_before_casts(const OnnxGraph& graph, std::string_view value);
std::string_view value_before_casts(const OnnxGraph& graph, std::string_view value);

// The engine's view of it. What is not plain numbers in the engine's order in a mapped file becomes a reader.
model::RawTensor to_raw(const OnnxMatrix& matrix, std::shared_ptr<const void> storage,
                        std::vector<std::unique_ptr<const model::RowReader>>& readers);
model::RawTensor to_raw(const OnnxVector& vector, std::shared_ptr<const void> storage,
                        std::vector<std::unique_ptr<const model::RowReader>>& readers);

}  // namespace gemvec::source
