// How batches are cut up for threads: every row once, whole panels, blocks that fit and share evenly.
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "kernels/table.h"
#include "model/workspace.h"
#include "support/random.h"

namespace gemvec::model {
namespace {

using kernels::kAttentionPanel;
using testing::Random;

constexpr std::size_t kHeadDim = 32;
constexpr std::size_t kBlockRows[] = {96, 160};

const kernels::AttentionKernel& attention() {
  return *kernels::kernel_table(cpu::Isa::kScalar).attention->f32;
}

struct Texts {
  std::vector<std::int32_t> ids;
  std::vector<std::size_t> offsets = {0};

  void add(std::size_t length) {
    offsets.push_back(offsets.back() + length);
    ids.resize(offsets.back());
  }
  [[nodiscard]] Batch batch() const { return {ids, offsets}; }
};

// Segments and blocks in the order of the rows, with nothing left out and nothing twice.
void check_rows(const Schedule& schedule, const Batch& batch, std::size_t block_rows) {
  ASSERT_EQ(schedule.texts().size(), batch.texts());
  std::size_t row = 0, segment = 0;
  for (const Block& block : schedule.blocks()) {
    ASSERT_EQ(block.row, row);
    ASSERT_GE(block.rows, 1U);
    ASSERT_LE(block.rows, block_rows + kAttentionPanel);
    ASSERT_EQ(block.segment_begin, segment);
    ASSERT_GT(block.segment_end, segment);
    for (; segment < block.segment_end; ++segment) {
      const Segment& piece = schedule.segments()[segment];
      ASSERT_LT(piece.text, batch.texts());
      ASSERT_EQ(batch.offsets[piece.text] + piece.first, row) << "segment " << segment;
      ASSERT_EQ(piece.first % kAttentionPanel, 0U);
      ASSERT_GE(piece.count, 1U);
      const std::size_t end = piece.first + piece.count;
      const std::size_t length = schedule.texts()[piece.text].length;
      ASSERT_LE(end, length);
      ASSERT_TRUE(end == length || piece.count % kAttentionPanel == 0) << "segment " << segment;
      row += piece.count;
    }
    ASSERT_EQ(block.row + block.rows, row);
  }
  ASSERT_EQ(row, batch.tokens());
  ASSERT_EQ(segment, schedule.segments().size());
}

void check_texts(const Schedule& schedule, const Batch& batch) {
  std::size_t operand = 0;
  for (std::size_t i = 0; i < batch.texts(); ++i) {
    const TextSpan& text = schedule.texts()[i];
    ASSERT_EQ(text.first, batch.offsets[i]);
    ASSERT_EQ(text.length, batch.offsets[i + 1] - batch.offsets[i]);
    ASSERT_EQ(text.operand, operand);
    operand += attention().operand_bytes(text.length, kHeadDim);
  }
  ASSERT_EQ(schedule.operand_bytes(), operand);
}

// Threads that would wait for a last block, or for no block at all, are what this is about.
void check_shares(const Schedule& schedule, const Batch& batch, unsigned threads, std::size_t block_rows) {
  if (schedule.split()) {
    ASSERT_LT(schedule.blocks().size(), threads);
    ASSERT_LT(batch.tokens(), threads * block_rows) << "enough rows for all threads";
    return;
  }
  ASSERT_EQ(schedule.blocks().size() % threads, 0U) << schedule.blocks().size() << " blocks";
  // A block ends at the first panel's end at or after its share: it has at most a panel's rows more than its
  // share, and at most as many less.
  const std::size_t share = batch.tokens() / schedule.blocks().size();
  for (const Block& block : schedule.blocks()) {
    ASSERT_LE(block.rows, share + kAttentionPanel);
    ASSERT_GE(block.rows + kAttentionPanel, share);
  }
}

// With the rows of a block that kernels want: KernelTable::block_rows.
void check(Schedule& schedule, const Texts& texts, unsigned threads) {
  for (const std::size_t block_rows : kBlockRows) {
    SCOPED_TRACE(std::to_string(threads) + " threads, " + std::to_string(texts.ids.size()) + " tokens in " +
                 std::to_string(texts.offsets.size() - 1) + " texts, blocks of " +
                 std::to_string(block_rows));
    const Batch batch = texts.batch();
    schedule.plan(batch, threads, block_rows, {&attention(), &attention()}, kHeadDim);
    check_rows(schedule, batch, block_rows);
    if (::testing::Test::HasFatalFailure()) return;
    check_texts(schedule, batch);
    if (::testing::Test::HasFatalFailure()) return;
    check_shares(schedule, batch, threads, block_rows);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(Schedule, CoversOneTextOfEveryLength) {
  Schedule schedule;
  for (std::size_t length = 1; length <= 2048; length += length < 300 ? 1 : 7) {
    Texts texts;
    texts.add(length);
    for (unsigned threads = 1; threads <= 16; ++threads) {
      check(schedule, texts, threads);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Schedule, CoversRandomBatchesForAnyNumberOfThreads) {
  Schedule schedule;  // one for all, as the engine's
  Random random(1);
  for (int round = 0; round < 400; ++round) {
    Texts texts;
    // Short texts, long ones, or both; up to the engine's micro-batch.
    const std::size_t longest = std::size_t{1} << random.next() % 12;
    do {
      texts.add(1 + random.next() % longest);
    } while (texts.ids.size() < 1024 && random.next() % 40 != 0);
    for (unsigned threads = 1; threads <= 16; ++threads) {
      check(schedule, texts, threads);
      if (HasFatalFailure()) return;
    }
  }
}

// Blocks end at whole panels and texts' ends only: texts of one token are the other extreme.
TEST(Schedule, CoversManyTextsOfOneToken) {
  Schedule schedule;
  Texts texts;
  for (int i = 0; i < 1024; ++i) texts.add(1);
  for (unsigned threads = 1; threads <= 16; ++threads) {
    check(schedule, texts, threads);
    if (HasFatalFailure()) return;
  }
}

TEST(Schedule, SharesABlockAmongThreadsWhenThereAreFewTokens) {
  Schedule schedule;
  for (const std::size_t tokens : {1U, 18U, 31U, 63U}) {
    Texts texts;
    texts.add(tokens);
    schedule.plan(texts.batch(), 2, kBlockRows[0], {&attention(), &attention()}, kHeadDim);
    EXPECT_TRUE(schedule.split()) << tokens;
    EXPECT_EQ(schedule.blocks().size(), 1U) << tokens;
    schedule.plan(texts.batch(), 1, kBlockRows[0], {&attention(), &attention()}, kHeadDim);
    EXPECT_FALSE(schedule.split()) << "one thread has nobody to share with";
  }
  Texts texts;
  texts.add(1024);
  schedule.plan(texts.batch(), 2, kBlockRows[0], {&attention(), &attention()}, kHeadDim);
  EXPECT_FALSE(schedule.split());
}

}  // namespace
}  // namespace gemvec::model
