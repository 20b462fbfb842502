#include "model/workspace.h"

#include <algorithm>

#include "base/try.h"
#include "kernels/gemm_int8/gemm_int8.h"

namespace gemvec::model {

namespace {

// Elements of every buffer, in one place: what is reserved and what is announced cannot differ.
struct Sizes {
  std::size_t residual, queries, operands, pooled;  // of the batch
  std::size_t hidden, wide, bf16, codes, groups;    // of a block
  std::size_t pair, gemm, attention;                // of a thread

  Sizes(const Config& config, const kernels::KernelTable& kernels, const AttentionByLength& attention_kernel,
        std::size_t tokens, std::size_t texts, std::size_t operand_bytes)
      : residual(tokens * config.width),
        queries(tokens * std::max(config.width, config.query_width())),
        operands(operand_bytes),
        pooled(texts * config.width) {
    const std::size_t row = std::max(config.width, config.query_width());
    const std::size_t inputs = std::max(row, config.ffn);
    const std::size_t rows = max_block_rows(kernels);
    hidden = rows * row;
    wide = rows * std::max(config.qkv_width(), config.ffn);
    bf16 = rows * inputs;
    codes = rows * inputs * kernels.gemm_int8->code_bytes;
    groups = rows * inputs / kernels::kMinGroup;
    pair = rows * 2 * kernels::kPanel;
    gemm = kernels::gemm_int8_scratch_bytes(inputs);
    attention = attention_kernel.scratch_bytes(config.head_dim);
  }

  [[nodiscard]] std::uint64_t bytes(unsigned threads) const {
    const std::uint64_t batch = (residual + queries + pooled) * sizeof(float) + 2 * operands;
    const std::uint64_t each = (hidden + wide + pair) * sizeof(float) + bf16 * sizeof(std::uint16_t) + codes +
                               groups * sizeof(kernels::RowGroup) + gemm + attention;
    return batch + threads * each;
  }
};

template <class T>
Status make(base::AlignedBuffer<T>& buffer, std::size_t count) {
  GEMVEC_TRY(made, base::AlignedBuffer<T>::create(count));
  buffer = std::move(made);
  return {};
}

}  // namespace

Status Workspace::reserve(const Config& config, const kernels::KernelTable& kernels,
                          const AttentionByLength& attention, std::size_t tokens, std::size_t texts,
                          std::size_t operand_bytes, unsigned thread_count) {
  if (tokens > tokens_ || texts > texts_ || operand_bytes > operand_bytes_) {
    tokens = std::max(tokens, tokens_);
    texts = std::max(texts, texts_);
    operand_bytes = std::max(operand_bytes, operand_bytes_);
    const Sizes sizes(config, kernels, attention, tokens, texts, operand_bytes);
    // Released first, so that growing never holds both sizes; nothing is promised until all is there.
    tokens_ = texts_ = operand_bytes_ = bytes_ = 0;
    for (auto* buffer : {&residual, &queries, &pooled}) *buffer = {};
    for (auto& buffer : operands) buffer = {};
    GEMVEC_CHECK_OK(make(residual, sizes.residual));
    GEMVEC_CHECK_OK(make(queries, sizes.queries));
    GEMVEC_CHECK_OK(make(pooled, sizes.pooled));
    for (auto& buffer : operands) GEMVEC_CHECK_OK(make(buffer, sizes.operands));
    if (blocks.empty()) {
      std::vector<BlockSpace> block_spaces(thread_count);
      std::vector<ThreadSpace> thread_spaces(thread_count);
      for (BlockSpace& space : block_spaces) {
        GEMVEC_CHECK_OK(make(space.hidden, sizes.hidden));
        GEMVEC_CHECK_OK(make(space.wide, sizes.wide));
        GEMVEC_CHECK_OK(make(space.bf16, sizes.bf16));
        GEMVEC_CHECK_OK(make(space.codes, sizes.codes));
        GEMVEC_CHECK_OK(make(space.groups, sizes.groups));
      }
      for (ThreadSpace& space : thread_spaces) {
        GEMVEC_CHECK_OK(make(space.pair, sizes.pair));
        GEMVEC_CHECK_OK(make(space.gemm, sizes.gemm));
        GEMVEC_CHECK_OK(make(space.attention, sizes.attention));
      }
      blocks = std::move(block_spaces);
      threads = std::move(thread_spaces);
    }
    tokens_ = tokens;
    texts_ = texts;
    operand_bytes_ = operand_bytes;
    bytes_ = sizes.bytes(thread_count);
  }
  return {};
}

std::uint64_t Workspace::bytes_for(const Config& config, const kernels::KernelTable& kernels,
                                   const AttentionByLength& attention, std::size_t tokens, unsigned threads) {
  constexpr std::size_t kPanel = kernels::kAttentionPanel;
  const std::size_t operand_bytes = attention.most_operand_bytes(tokens, config.head_dim);
  return Sizes(config, kernels, attention, tokens, (tokens + kPanel - 1) / kPanel, operand_bytes)
      .bytes(threads);
}

}  // namespace gemvec::model
