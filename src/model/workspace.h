// Memory for the activations of one micro-batch. Grows to the largest batch seen and is then reused: nothing
// is allocated while texts flow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/aligned.h"
#include "gemvec/result.h"
#include "model/config.h"

namespace gemvec::model {

// Texts packed one after the other, without padding.
struct Batch {
  std::span<const std::int32_t> ids;  // [tokens], every id below config.vocab
  std::span<const std::size_t>
      offsets;  // [texts + 1]: text i has tokens offsets[i]..offsets[i + 1], at least one
  [[nodiscard]] std::size_t tokens() const { return ids.size(); }
  [[nodiscard]] std::size_t texts() const { return offsets.size() - 1; }
};

class Workspace {
 public:
  // Makes room. `keys` is the number of key positions when every text is rounded up to whole panels of 32;
  // `longest` is the longest text's. Errors: kIo (out of memory).
  Status reserve(const Config& config, std::size_t tokens, std::size_t keys, std::size_t longest,
                 unsigned threads);

  [[nodiscard]] std::uint64_t bytes() const;

  base::AlignedBuffer<float> residual;  // [tokens, width] x
  base::AlignedBuffer<float>
      normed;  // [tokens, width or query_width] h: a norm's output; then rotated queries
  base::AlignedBuffer<float> branch;  // [tokens, width or query_width] attention's output; then o and down
  base::AlignedBuffer<float> wide;    // [tokens, max(qkv_width, 2 * ffn)] qkv; then gate | up
  base::AlignedBuffer<std::uint16_t>
      narrow;                         // [tokens, max(width, query_width, ffn)] the bf16 operand, if any
  base::AlignedBuffer<float> keys;    // [keys / 32][head_dim][32] K transposed, panel by panel
  base::AlignedBuffer<float> values;  // per text [head_dim / 32][keys of the text][32]
  base::AlignedBuffer<float> scores;  // [threads][kQueryRows][longest + padding]
  std::size_t scores_stride = 0;      // floats from one thread's scores to the next
  base::AlignedBuffer<float> pooled;  // [tokens, width]: one row a text, and a text has a token at least

 private:
  std::size_t tokens_ = 0, keys_ = 0, longest_ = 0;
};

// Query tokens of one attention task. 16 tokens x 3 heads = 48 rows = 4 full tiles of the AVX-512 matrix
// product, and 48 rows of 2048 scores are 384 KB: they stay in a 1 MB level-2 cache between the two products.
inline constexpr std::size_t kQueryTokens = 16;

// Floats between two rows of scores beyond their number: rows of 2048 floats lie 8 KB apart, and all rows
// of a tile would then compete for the same set of the level-1 cache.
inline constexpr std::size_t kScoresPadding = 16;

}  // namespace gemvec::model
