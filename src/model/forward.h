// The forward pass: token ids to hidden states and to the head's output.
#pragma once

#include <functional>

#include "base/thread_pool.h"
#include "gemvec/result.h"
#include "kernels/table.h"
#include "model/weights.h"
#include "model/workspace.h"

namespace gemvec::model {

// Sees what the linear layers multiply: for calibration.
class InputObserver {
 public:
  virtual ~InputObserver() = default;
  // Before a layer's first product, and after its last one. From the calling thread.
  virtual void begin_layer(std::size_t layer) = 0;
  virtual void end_layer(std::size_t layer) = 0;
  // Rows row .. row + rows - 1 of the batch as `linear` multiplies them: in [rows, linear.inputs], `stride`
  // floats from one to the next. Every row once for each linear layer. From any thread of the pool.
  virtual void inputs(const PackedLinear& linear, std::size_t row, std::size_t rows, const float* in,
                      std::size_t stride) = 0;
};

struct ForwardContext {
  const Weights* weights = nullptr;
  const kernels::KernelTable* kernels = nullptr;
  base::ThreadPool* pool = nullptr;
  Workspace* workspace = nullptr;
  // bf16 x bf16 products in the linear layers that have bf16 weights, and in attention.
  // REQUIRES: kernels->gemm->bf16 and kernels->attention->bf16.
  bool bf16_products = false;
  InputObserver* observer = nullptr;  // REQUIRES: fp32 arithmetic in all linear layers
  // Called between two layers, from the calling thread, while the pool is idle; it may run another forward
  // pass in another workspace. May be null or empty.
  const std::function<void()>* between_layers = nullptr;
};

// What the caller wants; either may be null.
struct ForwardOutput {
  float* embeddings = nullptr;  // [texts, width]: pooled, through the head, not normalised
  float* tokens = nullptr;      // [tokens, width]: hidden states after the final norm
};

// A row of the output depends on its own text alone, bit for bit: not on its companions, their order, or the
// number of threads. Errors: kIo (out of memory; a file with the embedding table that is shorter now),
// kBadFormat (a damaged row of a packed embedding table).
Status forward(const ForwardContext& context, const Batch& batch, const ForwardOutput& output);

// Bytes of working memory for texts of `tokens` tokens together, each rounded up to whole panels of 32 keys.
std::uint64_t forward_bytes(const ForwardContext& context, std::size_t tokens);

}  // namespace gemvec::model
