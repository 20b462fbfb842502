// Cosines and sines of the rotary position embedding: 4 MB that take a millisecond to compute, and so are in
// no file.
#pragma once

#include "base/aligned.h"
#include "base/thread_pool.h"
#include "gemvec/result.h"
#include "model/config.h"

namespace gemvec::model {

// cos and sin of position * theta^(-2i / head_dim), i < head_dim / 2.
struct RopeTable {
  const float* cos = nullptr;  // [max_tokens, head_dim / 2]
  const float* sin = nullptr;  // [max_tokens, head_dim / 2]
};

class RopeTables {
 public:
  // Errors: kIo (out of memory).
  static Result<RopeTables> create(const Config& config, base::ThreadPool& pool);

  // Valid while this object lives, also when it has moved.
  RopeTable full, sliding;

 private:
  base::AlignedBuffer<float> data_;
};

}  // namespace gemvec::model
