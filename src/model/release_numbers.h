// Telling the public release's own numbers from all others.
#pragma once

#include "model/raw_weights.h"

namespace gemvec::model {

// Whether the linear layers are those of google/embeddinggemma-300m in fp32, in whatever file: of each
// matrix the first row is looked at, which any training changes. Those of the same rounded to bf16 are not.
bool are_release_numbers(const RawWeights& weights);

}  // namespace gemvec::model
