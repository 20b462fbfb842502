// What a graph has besides the weights that were found: nothing that could be a weight, and rotary tables of
// this model.
#pragma once

#include "gemvec/result.h"
#include "model/config.h"
#include "source/onnx_constants.h"

namespace gemvec::source {

// Refuses a matrix that nobody took and that is large enough to be a linear layer's, and a vector as long as
// some activation (a bias, another norm), with the operator that uses it. Tables of cosines and sines
// [positions, head_dim / 2] or [positions, head_dim] must be those of the configuration's two angles.
// Errors: kUnsupported, kBadFormat.
Status check_onnx_leftovers(const OnnxConstants& constants, const model::Config& config);

}  // namespace gemvec::source
