// Memory for the activations of one micro-batch, and how the batch is cut up for the threads. Grows to the
// largest batch seen and is then reused: nothing is allocated while texts flow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned.h"
#include "gemvec/result.h"
#include "kernels/table.h"
#include "model/attention.h"
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

// One text of the batch.
struct TextSpan {
  std::size_t first = 0;    // row of its first token
  std::size_t length = 0;   // tokens
  std::size_t operand = 0;  // bytes from the beginning of Workspace::operands to its keys and values
};

// A piece of one text: positions first .. first + count - 1. first is a multiple of kernels::kAttentionPanel,
// and so is count, unless the text ends there.
struct Segment {
  std::size_t text = 0;
  std::size_t first = 0;
  std::size_t count = 0;
};

// Consecutive rows of the batch that go through a layer together, in one thread's caches.
struct Block {
  std::size_t row = 0;  // of the batch
  std::size_t rows = 0;
  std::size_t segment_begin = 0, segment_end = 0;
};

// Rows of a block at most: a segment's last panel may go beyond what the kernels want.
inline std::size_t max_block_rows(const kernels::KernelTable& kernels) {
  return kernels.block_rows + kernels::kAttentionPanel;
}

// Cuts a batch into blocks. Kept between batches, so that its vectors keep their memory.
class Schedule {
 public:
  // As many blocks as share evenly among `threads`, or few for small batches: then split() is true, and all
  // threads work on one block at a time.
  // A block has about block_rows rows (KernelTable) at most.
  void plan(const Batch& batch, unsigned threads, std::size_t block_rows, const AttentionByLength& attention,
            std::size_t head_dim);

  [[nodiscard]] const std::vector<TextSpan>& texts() const { return texts_; }
  [[nodiscard]] const std::vector<Segment>& segments() const { return segments_; }
  [[nodiscard]] const std::vector<Block>& blocks() const { return blocks_; }
  [[nodiscard]] bool split() const { return split_; }
  [[nodiscard]] std::size_t operand_bytes() const { return operand_bytes_; }

 private:
  std::vector<TextSpan> texts_;
  std::vector<Segment> segments_;
  std::vector<Block> blocks_;
  bool split_ = false;
  std::size_t operand_bytes_ = 0;
};

// What one thread, or all of them together, need for a block. Shapes are for max_block_rows() rows.
struct BlockSpace {
  base::AlignedBuffer<float> hidden;              // [rows, max(width, query_width)] norms, then branches
  base::AlignedBuffer<float> wide;                // [rows, max(qkv_width, ffn)] q | k | v; then gated
  base::AlignedBuffer<std::uint16_t> bf16;        // [rows, max(width, query_width, ffn)] operand
  base::AlignedBuffer<std::byte> codes;           // the same, as codes of int8 products
  base::AlignedBuffer<kernels::RowGroup> groups;  // [rows, the same / 32]
};

// What each thread needs of its own.
struct ThreadSpace {
  base::AlignedBuffer<float> pair;      // [rows, 64] 32 columns of gate and of up
  base::AlignedBuffer<std::byte> gemm;  // an unpacked panel
  base::AlignedBuffer<std::byte> attention;
};

class Workspace {
 public:
  // Makes room. Errors: kIo (out of memory).
  Status reserve(const Config& config, const kernels::KernelTable& kernels,
                 const AttentionByLength& attention, std::size_t tokens, std::size_t texts,
                 std::size_t operand_bytes, unsigned threads);

  // Bytes that reserve() would hold for a batch of texts with `tokens` tokens together, each text's rounded
  // up to whole panels of keys.
  static std::uint64_t bytes_for(const Config& config, const kernels::KernelTable& kernels,
                                 const AttentionByLength& attention, std::size_t tokens, unsigned threads);

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  Schedule schedule;
  base::AlignedBuffer<float> residual;  // [tokens, width] x
  base::AlignedBuffer<float> queries;  // [tokens, max(width, query_width)]; attention's output; hidden states
  base::AlignedBuffer<std::byte>
      operands[2];                    // keys and values of the layer that is read, and of the next one
  base::AlignedBuffer<float> pooled;  // [texts, width]
  std::vector<BlockSpace> blocks;     // [threads]
  std::vector<ThreadSpace> threads;   // [threads]

 private:
  std::size_t tokens_ = 0, texts_ = 0, operand_bytes_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace gemvec::model
