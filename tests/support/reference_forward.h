// The forward pass in double precision, as plain as it can be written: what the engine is tested against.
// It shares nothing with the library's kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "source/model_source.h"

namespace gemvec::testing {

struct ReferenceOptions {
  bool bf16_weights = false;  // round every weight to bf16 first
};

struct ReferenceOutput {
  std::vector<double> tokens;     // [ids, width], final norm applied
  std::vector<double> embedding;  // [width], the head's raw output
};

// `ids` are taken as they are: BOS and EOS are the caller's.
// REQUIRES: at least one id, all below the vocabulary's size
ReferenceOutput reference_forward(const source::ModelSource& model, std::span<const std::int32_t> ids,
                                  const ReferenceOptions& options = {});

// The embedding cut to its first `dim` numbers (0: all) and scaled to length 1.
std::vector<double> reference_embedding(const source::ModelSource& model, std::span<const std::int32_t> ids,
                                        const ReferenceOptions& options = {}, std::size_t dim = 0);

}  // namespace gemvec::testing
