// Which weight of an ONNX graph is which: by the graph's structure alone, whatever the tensors are called.
//
// ONNX demands that a node comes after those that make its inputs. So the nodes of a layer come in one of few
// orders: {q, k, v}, then o, then {gate, up}, then down; and the norms in one, but for those of q and k.
// Within the braces the graph tells them apart: of q, k and v the norms of heads follow two, of which q is
// the wider; and gate goes into GELU. Then each input is followed upwards to see that it comes from where it
// should.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "gemvec/result.h"
#include "model/config.h"
#include "source/onnx_constants.h"
#include "source/onnx_units.h"

namespace gemvec::source {

struct OnnxLayer {
  OnnxNorm input_norm, post_attention_norm, pre_ffn_norm, post_ffn_norm;
  OnnxNorm q_norm, k_norm;
  OnnxLinear q, k, v, o, gate, up, down;
};

struct OnnxMatch {
  OnnxEmbedding embedding;
  std::vector<OnnxLayer> layers;
  OnnxNorm final_norm;
  std::optional<std::pair<OnnxLinear, OnnxLinear>> dense;  // empty: the graph has none
};

// Takes every weight, and refuses a graph with others (onnx_leftovers.h). config.dense_width is what a vector
// of the dense layers is taken to be long as; the graph's own may differ.
// Errors: kBadFormat, kUnsupported.
Result<OnnxMatch> match_onnx(const OnnxGraph& graph, const model::Config& config);

}  // namespace gemvec::source
