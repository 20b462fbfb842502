// The thread pool: every index once, whatever the number of threads, and thousands of loops in a row.
#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace gemvec::base {
namespace {

TEST(ThreadPool, CallsEveryIndexOnceWithAThreadOfItsOwn) {
  for (const unsigned threads : {1U, 2U, 3U, 8U}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (const std::size_t count :
         {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{1000}}) {
      std::vector<std::atomic<int>> calls(count);
      std::atomic<bool> known_threads{true};
      pool.run(count, [&](std::size_t index, unsigned thread) {
        ++calls[index];
        if (thread >= threads) known_threads = false;
      });
      for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(calls[i], 1) << i << " of " << count;
      EXPECT_TRUE(known_threads);
    }
  }
}

TEST(ThreadPool, CallsEveryIndexOfALongLoopOnce) {
  constexpr std::size_t kCount = 3 * 65'536 + 5;  // a share counts indices in 16 bits
  ThreadPool pool(3);
  std::vector<std::atomic<int>> calls(kCount);
  pool.run(kCount, [&](std::size_t index, unsigned) { ++calls[index]; });
  for (std::size_t i = 0; i < kCount; ++i) ASSERT_EQ(calls[i], 1) << i;
}

TEST(ThreadPool, AThreadTakesItsShareInOrderAndThenTheLastOfAnothers) {
  constexpr std::size_t kCount = 40, kHalf = kCount / 2;
  ThreadPool pool(2);
  for (int loop = 0; loop < 500; ++loop) {
    std::array<std::vector<std::size_t>, 2> taken;
    pool.run(kCount, [&](std::size_t index, unsigned thread) { taken[thread].push_back(index); });
    for (const std::size_t thread : {0U, 1U}) {
      std::size_t own = thread * kHalf, others = thread == 0 ? kCount : kHalf;
      for (const std::size_t index : taken[thread]) {
        ASSERT_EQ(index, index / kHalf == thread ? own++ : --others) << "thread " << thread;
      }
    }
  }
}

TEST(ThreadPool, CallsEveryIndexOnceWhenAThreadTakesSeveralAtOnce) {
  ThreadPool pool(4);
  for (std::size_t loop = 0; loop < 5'000; ++loop) {
    const std::size_t count = 2 + loop * 7 % 61;
    std::array<std::atomic<int>, 64> calls{};
    const auto at_once = static_cast<std::uint32_t>(1 + loop % 5);
    pool.run(
        count, [&calls](std::size_t index, unsigned) { ++calls[index]; }, at_once);
    for (std::size_t i = 0; i < calls.size(); ++i) ASSERT_EQ(calls[i], i < count ? 1 : 0) << i << ' ' << loop;
  }
}

TEST(ThreadPool, OthersTakeAllButWhatABusyThreadHasTakenAtOnce) {
  ThreadPool pool(2);
  std::atomic<int> ended{0};
  // A share is 10; the first 4 are one thread's, though it stays at the first.
  pool.run(
      20,
      [&](std::size_t index, unsigned) {
        while (index == 0 && ended.load() < 16) std::this_thread::yield();
        ++ended;
      },
      4);
  EXPECT_EQ(ended, 20);
}

TEST(ThreadPool, OthersTakeWhatABusyThreadHasLeft) {
  ThreadPool pool(2);
  std::atomic<int> ended{0};
  pool.run(10, [&](std::size_t index, unsigned) {
    while (index == 0 && ended.load() < 9) std::this_thread::yield();
    ++ended;
  });
  EXPECT_EQ(ended, 10);
}

TEST(ThreadPool, TwoBodiesNeverHaveTheSameThreadNumberAtOnce) {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> inside(4);
  std::atomic<bool> shared{false};
  pool.run(2000, [&](std::size_t, unsigned thread) {
    if (inside[thread].fetch_add(1) != 0) shared = true;
    std::this_thread::yield();
    inside[thread].fetch_sub(1);
  });
  EXPECT_FALSE(shared);
}

TEST(ThreadPool, WritesOfOneLoopAreSeenByTheNext) {
  // Not atomic: the pool itself must order the loops. The thread sanitizer watches, too.
  ThreadPool pool(3);
  std::vector<std::uint64_t> values(64);
  for (std::uint64_t loop = 0; loop < 2000; ++loop)
    pool.run(values.size(), [&](std::size_t i, unsigned) { values[i] += i + loop; });
  for (std::size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(values[i], 2000 * i + 2000 * std::uint64_t{1999} / 2);
}

TEST(ThreadPool, AThreadThatComesLateForALoopTakesNothingOfTheNext) {
  // Short loops of changing lengths, whose bodies lie on the caller's stack: an index too many, or one of
  // another loop, would be seen in the counts, and an index too few would never end.
  ThreadPool pool(4);
  for (std::size_t loop = 0; loop < 50'000; ++loop) {
    const std::size_t count = 2 + loop * 7 % 13;
    std::array<std::atomic<int>, 16> calls{};
    pool.run(count, [&calls](std::size_t index, unsigned) { ++calls[index]; });
    for (std::size_t i = 0; i < calls.size(); ++i) ASSERT_EQ(calls[i], i < count ? 1 : 0) << i << ' ' << loop;
  }
}

TEST(ThreadPool, WakesUpAfterASleep) {
  ThreadPool pool(2);
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // far longer than workers look for
    std::atomic<int> calls{0};
    pool.run(8, [&](std::size_t, unsigned) { ++calls; });
    EXPECT_EQ(calls, 8);
  }
}

TEST(ThreadPool, WaitsForASlowWorker) {
  ThreadPool pool(2);
  std::atomic<int> ended{0};
  pool.run(2, [&](std::size_t, unsigned) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ++ended;
  });
  EXPECT_EQ(ended, 2);
}

TEST(ThreadPool, TakesAConstBody) {
  ThreadPool pool(2);
  std::atomic<std::size_t> sum{0};
  const auto body = [&sum](std::size_t index, unsigned) { sum += index; };
  pool.run(10, body);
  EXPECT_EQ(sum, 45U);
}

TEST(ThreadPool, ComesAndGoesWithoutALoop) {
  for (int i = 0; i < 200; ++i) ThreadPool pool(3);
}

TEST(UsableCores, AreAtLeastOne) { EXPECT_GE(usable_cores(), 1U); }

}  // namespace
}  // namespace gemvec::base
