// Which of an instruction set's attention kernels a text takes.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/attention/attention.h"

namespace gemvec::model {

// Tokens of a text up to which attention's scores are never made from codes. Up to here q8 promises the most
// and attention is a tenth of the time; at 2048 tokens it is a third, and codes save a fifth of that.
inline constexpr std::size_t kExactScores = 512;

// A text's length decides alone, so its vector depends on nobody else's.
struct AttentionByLength {
  const kernels::AttentionKernel* near = nullptr;  // up to kExactScores tokens
  const kernels::AttentionKernel* far = nullptr;   // beyond; may be the same

  [[nodiscard]] const kernels::AttentionKernel& of(std::size_t length) const {
    return length <= kExactScores ? *near : *far;
  }
  // Bytes that hold the operands of texts with `tokens` tokens together, in whole panels, whatever their
  // lengths.
  [[nodiscard]] std::size_t most_operand_bytes(std::size_t tokens, std::size_t head_dim) const {
    return std::max(near->operand_bytes(tokens, head_dim), far->operand_bytes(tokens, head_dim));
  }
  [[nodiscard]] std::size_t scratch_bytes(std::size_t head_dim) const {
    return std::max(near->scratch_bytes(head_dim), far->scratch_bytes(head_dim));
  }
};

}  // namespace gemvec::model
