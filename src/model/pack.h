// Packing one layer at a time: for pack_weights() and for calibration.
#pragma once

#include "base/thread_pool.h"
#include "gemvec/result.h"
#include "model/weights.h"

namespace gemvec::model {

// Norms and matrices of layer number `layer` to the places that `to` names, from `block` on. Biases become 0.
// Of a calibrated recipe, matrices in codes are left as they are: calibration writes them. Errors: kBadFormat
// (a number that is not finite; names the layer and the matrix).
Status pack_layer(const Config& config, const RawLayer& from, const PackedLayout::Layer& to,
                  const Recipe& recipe, std::size_t layer, base::ThreadPool& pool, std::byte* block);

}  // namespace gemvec::model
