// How a batch is cut into blocks of rows.
#include <algorithm>

#include "model/workspace.h"

namespace gemvec::model {

namespace {

using kernels::kAttentionPanel;

// Rows of a block at least, if a batch is cut for all threads: 32 rows are five or six tiles, so that a
// panel's unpacking and its way from memory are shared by some. Below, threads share one block's columns.
constexpr std::size_t kMinBlockRows = 32;

// Blocks for a batch of `tokens`: a multiple of the threads if there are enough rows for it.
std::size_t count_blocks(std::size_t tokens, unsigned threads, std::size_t block_rows) {
  const std::size_t needed = (tokens + block_rows - 1) / block_rows;
  const std::size_t shared = (needed + threads - 1) / threads * threads;
  return tokens >= shared * kMinBlockRows ? shared : needed;
}

}  // namespace

void Schedule::plan(const Batch& batch, unsigned threads, std::size_t block_rows,
                    const AttentionByLength& attention, std::size_t head_dim) {
  texts_.clear();
  segments_.clear();
  blocks_.clear();
  operand_bytes_ = 0;
  const std::size_t count = count_blocks(batch.tokens(), threads, block_rows);
  split_ = count < threads;
  Block block;
  // A block ends where its share of the rows is reached, at a panel's boundary.
  const auto close_if_full = [&](bool last) {
    const std::size_t end = block.row + block.rows;
    const std::size_t goal = (blocks_.size() + 1) * batch.tokens() / count;
    if (!last && end < goal && block.rows < block_rows) return;
    block.segment_end = segments_.size();
    blocks_.push_back(block);
    block = {.row = end, .rows = 0, .segment_begin = segments_.size(), .segment_end = 0};
  };
  for (std::size_t text = 0; text < batch.texts(); ++text) {
    const std::size_t first = batch.offsets[text], length = batch.offsets[text + 1] - first;
    texts_.push_back({first, length, operand_bytes_});
    operand_bytes_ += attention.of(length).operand_bytes(length, head_dim);
    for (std::size_t position = 0; position < length; position += kAttentionPanel) {
      const std::size_t rows = std::min(kAttentionPanel, length - position);
      const bool joins = block.rows != 0 && position != 0;  // the segment of this text's previous panel
      if (joins) {
        segments_.back().count += rows;
      } else {
        segments_.push_back({text, position, rows});
      }
      block.rows += rows;
      close_if_full(first + position + rows == batch.tokens());
    }
  }
}

}  // namespace gemvec::model
