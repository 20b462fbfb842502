// The bias of quantised linear layers.
//
// Codes stand for W' and x' in place of W and x. W' differs from W in the same way for every token, and
// inputs of a linear layer have a large mean, so that part of the error of W' x' is the same for all tokens
// of all texts: it does not average out when a text's tokens are pooled. That part, mean(W x) - mean(W' x'),
// is measured once over a few texts of random tokens, and given back as a bias. Neither meaning nor language
// of the texts matters, only that the activations have the means that they always have. docs/quantization.md
// has the numbers.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "base/thread_pool.h"
#include "gemvec/result.h"
#include "kernels/table.h"
#include "model/weights.h"

namespace gemvec::model {

// Runs the model in fp32 arithmetic over the source's weights, a layer at a time in private memory, and
// beside every product the quantised one of the same input; writes the biases of `block`, which
// pack_weights() has filled. `texts` may be null: random ones of the same size everywhere. The same bits with
// any number of threads. progress(layer) may not be empty. Errors: kIo (out of memory).
Status calibrate(const Config& config, const RawWeights& raw, WeightType type,
                 const kernels::KernelTable& kernels, base::ThreadPool& pool, std::span<std::byte> block,
                 const CalibrationTexts* texts, const std::function<void(std::size_t layer)>& progress);

}  // namespace gemvec::model
