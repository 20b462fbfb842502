// The two lanes of texts that wait.
#include "server/batch/queue.h"

#include <gtest/gtest.h>

#include "server/batch/share.h"
#include "server/batch/vector_cache.h"

namespace gemvec::server {

struct PendingJob {};

namespace {

using Ids = std::vector<std::int32_t>;
constexpr QueueLimits kAll{1'000'000, 0};

Waiter waiter(std::size_t index) { return {std::make_shared<PendingJob>(), index, {}}; }

Ids ids_of(const std::vector<std::shared_ptr<QueuedText>>& batch) {
  Ids first;
  for (const auto& text : batch) first.push_back(text->key.ids.front());
  return first;
}

TEST(LaneShare, LetsAQuestionNowAndThenGoAtOnce) {
  using std::chrono::milliseconds;
  const LaneShare::Clock::time_point began{};
  LaneShare share(began);
  EXPECT_TRUE(share.first_may_go(began));
  // Ten milliseconds of work every thirty.
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(share.first_may_go(began + milliseconds(30 * i))) << i;
    share.first_went(milliseconds(10));
  }
}

TEST(LaneShare, LeavesHalfOfTheTimeToTheOtherLane) {
  using std::chrono::milliseconds;
  const LaneShare::Clock::time_point began{};
  LaneShare share(began);
  // Somebody always asks: a layer of 5 ms, then 20 ms of questions if they may.
  milliseconds now{0}, first{0}, bulk{0};
  while (bulk < milliseconds(1000)) {
    now += milliseconds(5), bulk += milliseconds(5);
    if (!share.first_may_go(began + now)) continue;
    share.first_went(milliseconds(20));
    now += milliseconds(20), first += milliseconds(20);
  }
  EXPECT_GE(first, bulk);
  EXPECT_LE(first, bulk + LaneShare::kAhead + milliseconds(20));
}

TEST(TextQueue, GivesTheOldestTextsThatFit) {
  TextQueue queue;
  for (std::int32_t i = 0; i < 5; ++i) queue.add({Ids(10, i), false}, waiter(0), Lane::kBulk);
  EXPECT_EQ(queue.tokens(), 50U);
  EXPECT_EQ(queue.texts(), 5U);
  EXPECT_EQ(ids_of(queue.take(Lane::kBulk, {29, 0})), (Ids{0, 1}));
  EXPECT_EQ(ids_of(queue.take(Lane::kBulk, {1000, 1})), (Ids{2}));
  // One that is larger than the limit goes alone, or it would never go.
  EXPECT_EQ(ids_of(queue.take(Lane::kBulk, {1, 0})), (Ids{3}));
  EXPECT_EQ(queue.tokens(), 10U);
  EXPECT_TRUE(queue.take(Lane::kFirst, kAll).empty());
  EXPECT_EQ(ids_of(queue.take(Lane::kBulk, kAll)), (Ids{4}));
  EXPECT_TRUE(queue.empty(Lane::kBulk));
  EXPECT_TRUE(queue.take(Lane::kBulk, kAll).empty());
}

TEST(TextQueue, DoesNotMixVectorsWithRowsOfTokens) {
  TextQueue queue;
  queue.add({Ids{1}, false}, waiter(0), Lane::kBulk);
  queue.add({Ids{2}, true}, waiter(0), Lane::kBulk);
  queue.add({Ids{1}, true}, waiter(0), Lane::kBulk);
  EXPECT_EQ(ids_of(queue.take(Lane::kBulk, kAll)), (Ids{1}));
  EXPECT_EQ(ids_of(queue.take(Lane::kBulk, kAll)), (Ids{2, 1}));
}

TEST(TextQueue, EqualTextsAreOneUntilTheyAreForgotten) {
  TextQueue queue;
  queue.add({Ids{7}, false}, waiter(0), Lane::kBulk);
  queue.add({Ids{7}, false}, waiter(1), Lane::kBulk);
  EXPECT_EQ(queue.texts(), 1U);
  const auto batch = queue.take(Lane::kBulk, kAll);
  ASSERT_EQ(batch.size(), 1U);
  EXPECT_EQ(batch[0]->waiters.size(), 2U);
  // While it is computed, others join it.
  queue.add({Ids{7}, false}, waiter(2), Lane::kFirst);
  EXPECT_EQ(queue.texts(), 0U);
  EXPECT_EQ(batch[0]->waiters.size(), 3U);
  queue.forget(*batch[0]);
  queue.add({Ids{7}, false}, waiter(3), Lane::kBulk);
  EXPECT_EQ(queue.texts(), 1U);
}

TEST(TextQueue, ATextThatSomebodyIsInAHurryForChangesLanes) {
  TextQueue queue;
  queue.add({Ids{1}, false}, waiter(0), Lane::kBulk);
  queue.add({Ids{2}, false}, waiter(0), Lane::kBulk);
  queue.add({Ids{1}, false}, waiter(1), Lane::kFirst);
  queue.add({Ids{1}, false}, waiter(2), Lane::kFirst);
  EXPECT_EQ(queue.texts(), 2U);
  const auto first = queue.take(Lane::kFirst, kAll);
  ASSERT_EQ(ids_of(first), (Ids{1}));
  EXPECT_EQ(first[0]->waiters.size(), 3U);
  EXPECT_EQ(ids_of(queue.take(Lane::kBulk, kAll)), (Ids{2}));
  EXPECT_EQ(queue.tokens(), 0U);
}

TEST(VectorCache, KeepsTheMostRecent) {
  VectorCache cache(2);
  cache.put({Ids{1}, false}, {1});
  cache.put({Ids{2}, false}, {2});
  ASSERT_NE(cache.get({Ids{1}, false}), nullptr);
  cache.put({Ids{3}, false}, {3});
  EXPECT_EQ(cache.get({Ids{2}, false}), nullptr);
  ASSERT_NE(cache.get({Ids{1}, false}), nullptr);
  EXPECT_EQ(*cache.get({Ids{1}, false}), std::vector<float>{1});
  EXPECT_EQ(*cache.get({Ids{3}, false}), std::vector<float>{3});
}

TEST(VectorCache, OfSizeZeroKeepsNothing) {
  VectorCache cache(0);
  cache.put({Ids{1}, false}, {1});
  EXPECT_EQ(cache.get({Ids{1}, false}), nullptr);
}

}  // namespace
}  // namespace gemvec::server
