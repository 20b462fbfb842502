#include "model/workspace.h"

#include <algorithm>

#include "base/try.h"

namespace gemvec::model {

Status Workspace::reserve(const Config& config, std::size_t tokens, std::size_t keys_needed,
                          std::size_t longest, unsigned threads) {
  if (tokens <= tokens_ && keys_needed <= keys_ && longest <= longest_) return {};
  tokens = std::max(tokens, tokens_);
  keys_needed = std::max(keys_needed, keys_);
  longest = std::max(longest, longest_);
  const std::size_t row = std::max(config.width, config.query_width());
  // Released first, so that growing never holds both sizes.
  *this = Workspace{};
  const auto floats = [](std::size_t count) { return base::AlignedBuffer<float>::create(count); };
  GEMVEC_TRY(residual_buffer, floats(tokens * config.width));
  GEMVEC_TRY(normed_buffer, floats(tokens * row));
  GEMVEC_TRY(branch_buffer, floats(tokens * row));
  GEMVEC_TRY(wide_buffer, floats(tokens * std::max(config.qkv_width(), 2 * config.ffn)));
  GEMVEC_TRY(narrow_buffer, base::AlignedBuffer<std::uint16_t>::create(tokens * std::max(row, config.ffn)));
  GEMVEC_TRY(keys_buffer, floats(keys_needed * config.head_dim));
  GEMVEC_TRY(values_buffer, floats(keys_needed * config.head_dim));
  GEMVEC_TRY(pooled_buffer, floats(tokens * config.width));
  scores_stride = kQueryTokens * config.heads * (longest + kScoresPadding);
  GEMVEC_TRY(scores_buffer, floats(threads * scores_stride));
  residual = std::move(residual_buffer);
  normed = std::move(normed_buffer);
  branch = std::move(branch_buffer);
  wide = std::move(wide_buffer);
  narrow = std::move(narrow_buffer);
  keys = std::move(keys_buffer);
  values = std::move(values_buffer);
  pooled = std::move(pooled_buffer);
  scores = std::move(scores_buffer);
  tokens_ = tokens;
  keys_ = keys_needed;
  longest_ = longest;
  return {};
}

std::uint64_t Workspace::bytes() const {
  return residual.bytes() + normed.bytes() + branch.bytes() + wide.bytes() + narrow.bytes() + keys.bytes() +
         values.bytes() + scores.bytes() + pooled.bytes();
}

}  // namespace gemvec::model
