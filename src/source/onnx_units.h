// What in an ONNX graph has weights: linear layers, norms and the embedding table, each found by its operator
// and told from the others by nothing yet but its shape.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "gemvec/result.h"
#include "model/config.h"
#include "source/onnx_constants.h"
#include "source/onnx_graph.h"

namespace gemvec::source {

struct OnnxLinear {
  const formats::OnnxNode* node = nullptr;
  OnnxMatrix weight;  // [out, in]: y = x W^T
  std::string_view input;
};

struct OnnxNorm {
  const formats::OnnxNode* node = nullptr;  // the one that multiplies by the weight
  OnnxVector weight;
  std::vector<std::string_view> inputs;  // the value; two that are added first
};

struct OnnxEmbedding {
  const formats::OnnxNode* node = nullptr;  // makes `output`
  OnnxMatrix table;                         // [vocab, width]
  std::string_view output;                  // rows as fp32
};

// Empty if the node is no linear layer over a constant weight. Errors: kBadFormat, kUnsupported, if it is one
// and the weight does not hold together or means something else.
Result<std::optional<OnnxLinear>> read_linear(const OnnxConstants& constants, const formats::OnnxNode& node);

// The same of a norm: RMSNorm over `width` or `head_dim`, as one operator or written out.
Result<std::optional<OnnxNorm>> read_norm(const OnnxConstants& constants, const formats::OnnxNode& node,
                                          const model::Config& config);

// The same of the lookup of rows in a table [vocab, width].
Result<std::optional<OnnxEmbedding>> read_embedding(const OnnxConstants& constants,
                                                    const formats::OnnxNode& node,
                                                    const model::Config& config);

// The DequantizeLinear that codes go into, straight away or after rows were taken out of them; nullptr if
// there is none.
const formats::OnnxNode* dequantizer_of(const OnnxGraph& graph, std::string_view codes);

}  // namespace gemvec::source
