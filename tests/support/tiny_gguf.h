// The tiny model as a GGUF file.
#pragma once

#include "support/gguf_file.h"
#include "support/tiny_model.h"

namespace gemvec::testing {

// As llama.cpp's converter writes EmbeddingGemma: names, keys, norms with their 1, dense layers, and the tiny
// tokenizer's pieces with scores by the order of its merges. Matrices keep their type; norms become fp32.
GgufFile make_tiny_gguf(const TinyModel& model);

// The norms' w, without the 1, in the order of gemvec.norm_weights.
std::vector<float> norm_weights(const TinyModel& model);

}  // namespace gemvec::testing
