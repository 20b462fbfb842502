// The tiny model as an ONNX graph, one for tests to change: fp32, ONNX Runtime's operators for norms and
// GELU, tensors and nodes with the exporter's names. Attention is one node that nothing reads weights from.
//
// Tensors are called "embed", "L.q" for q_proj of layer L and so on (k, v, o, gate, up, down; all [in, out]),
// "L.input_norm", "L.q_norm" and so on (1 + w), "final_norm", "dense2", "dense3", "cos_full", "sin_sliding".
// The node that uses one has its name.
#pragma once

#include <string>

#include "support/onnx_writer.h"
#include "support/tiny_model.h"

namespace gemvec::testing {

OnnxSpec make_tiny_onnx(TinyModel& model);

// The numbers of a tensor [rows, cols], of which both come from `dims`, the other way round.
std::string transposed(const OnnxTensorSpec& tensor);

}  // namespace gemvec::testing
