// How texts are gathered into micro-batches, and what a limit of memory does.
#include "engine/micro_batches.h"

#include <gtest/gtest.h>

#include <numeric>

#include "gemvec/embedder.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec::engine {
namespace {

constexpr std::uint64_t kFixed = 1000, kPerToken = 10;  // of the memory that the tests make up

class MicroBatches : public ::testing::Test {
 protected:
  // Batches of texts with these lengths, as lists of indices.
  Result<std::vector<std::vector<std::size_t>>> run(const std::vector<std::size_t>& lengths,
                                                    std::uint64_t max_memory = 0) {
    std::vector<BatchItem> items;
    for (const std::size_t length : lengths) items.push_back({{ids_.data(), length}, {}});
    std::vector<std::vector<std::size_t>> batches;
    const BatchLimits limits = {max_memory, [](std::size_t tokens) { return kFixed + kPerToken * tokens; }};
    const Status status = for_batches(items, limits, cancelled_, [&](const MicroBatch& batch) -> Status {
      EXPECT_EQ(batch.offsets.size(), batch.items.size() + 1);
      EXPECT_EQ(batch.offsets.back(), batch.ids.size());
      batches.push_back(batch.items);
      return {};
    });
    if (!status.ok()) return status.error();
    return batches;
  }

  std::vector<std::int32_t> ids_ = std::vector<std::int32_t>(4096, 7);
  std::function<bool()> cancelled_;
};

TEST_F(MicroBatches, TakeTheLongestFirstAndEveryTextOnce) {
  const auto batches = run({5, 2000, 40, 3});
  ASSERT_TRUE(batches.ok());
  EXPECT_EQ(*batches, (std::vector<std::vector<std::size_t>>{{1, 2, 0, 3}}));
}

TEST_F(MicroBatches, HoldAtMostTheTokensOfOneLongText) {
  const auto batches = run({2048, 1, 2048, 1024, 1024});
  ASSERT_TRUE(batches.ok());
  EXPECT_EQ(*batches, (std::vector<std::vector<std::size_t>>{{0}, {2}, {3, 4}, {1}}));
}

// Each text counts as whole panels of 32 tokens: 4 panels are 128 tokens.
TEST_F(MicroBatches, ShrinkToTheMemoryThatThereIs) {
  const auto batches = run({33, 20, 20, 20, 20, 20}, kFixed + kPerToken * 128);
  ASSERT_TRUE(batches.ok());
  EXPECT_EQ(*batches, (std::vector<std::vector<std::size_t>>{{0, 1, 2}, {3, 4, 5}}));
}

TEST_F(MicroBatches, RunNothingIfATextNeedsMoreThanThereIs) {
  const auto batches = run({10, 129}, kFixed + kPerToken * 128);
  ASSERT_FALSE(batches.ok());
  EXPECT_EQ(batches.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(batches.error().message,
            "Text 1: its 129 tokens need 2600 bytes of working memory, but max_memory is 2280.");
  EXPECT_TRUE(run({10, 128}, kFixed + kPerToken * 128).ok());
}

TEST_F(MicroBatches, StopBetweenBatchesWhenCancelled) {
  cancelled_ = [] { return true; };
  const auto batches = run({1});
  ASSERT_FALSE(batches.ok());
  EXPECT_EQ(batches.error().code, ErrorCode::kCancelled);
}

// With the engine itself: what it reserves stays below the limit, and the vectors are the same.
TEST(MaxMemory, ChangesNoBitAndIsKept) {
  testing::TempDir dir;
  testing::write_tiny_model(dir.path());
  LoadOptions options;
  options.model = dir.path();
  options.use_cache = false;
  const auto free = Embedder::load(options);
  ASSERT_TRUE(free.ok()) << free.error().message;
  std::vector<std::vector<std::int32_t>> texts;
  for (int i = 1; i <= 90; ++i) {
    texts.emplace_back(static_cast<std::size_t>(i));
    std::iota(texts.back().begin(), texts.back().end(), i);
  }
  const std::vector<std::span<const std::int32_t>> ids(texts.begin(), texts.end());
  const auto expected = free->embed_ids(ids);
  ASSERT_TRUE(expected.ok());
  options.max_memory = free->info().workspace_bytes - 1;  // a little less than all texts at once want
  const auto limited = Embedder::load(options);
  ASSERT_TRUE(limited.ok()) << limited.error().message;
  const auto found = limited->embed_ids(ids);
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->values, expected->values);
  EXPECT_LE(limited->info().workspace_bytes, options.max_memory);

  options.max_memory = 1;
  const auto none = Embedder::load(options);
  ASSERT_TRUE(none.ok()) << none.error().message;
  const auto refused = none->embed_ids(ids);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace gemvec::engine
