// Codes and biases of quantised linear layers, chosen with regard to the inputs that the layers meet.
//
// Codes stand for W' and x' in place of W and x. Inputs of a linear layer have a large mean, and much of what
// else they do lies in a few directions; errors of W' in these are what the outputs suffer from. So the
// inputs of each layer are measured once, over a few texts of the project's own and of random tokens, and
//   - weights are rounded one after the other, each so that it takes back what the rounding of those before
//   it
//     has done to such inputs (model/round_weights.h);
//   - what is left of the mean, mean(W x) - mean(W' x'), is given back as a bias: it is the same for all
//   tokens
//     of all texts, and would not average out when a text's tokens are pooled.
// Little depends on which texts, because activations have the same means and directions everywhere.
// docs/quantization.md has the numbers.
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
// rounds the codes of `block` again, which pack_weights() has filled by `recipe`; writes its biases. `texts`
// are measured beside these; may be null. The same bits with any number of threads. progress(layer) may not
// be empty. Errors: kIo (out of memory).
Status calibrate(const Config& config, const RawWeights& raw, WeightType type, const Recipe& recipe,
                 const kernels::KernelTable& kernels, base::ThreadPool& pool, std::span<std::byte> block,
                 const CalibrationTexts* texts, const std::function<void(std::size_t layer)>& progress);

}  // namespace gemvec::model
