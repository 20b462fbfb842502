#include "base/thread_pool.h"

#include <sched.h>

#include <cassert>

namespace gemvec::base {

namespace {

// How often a waiting thread looks before it sleeps in the kernel. A layer's loops follow each other
// within microseconds, and a wake-up costs tens of them: 4096 looks of about 40 cycles (the latency
// of `pause` on current cores) are 30-50 us, long enough to bridge the serial parts of a forward pass.
constexpr int kSpins = 4096;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(unsigned threads) {
  workers_.reserve(threads - 1);
  for (unsigned i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::run_erased(std::size_t count, Call call, void* context) {
  if (count == 0) return;
  if (workers_.empty() || count == 1) {
    for (std::size_t i = 0; i < count; ++i) call(context, i, 0);
    return;
  }
  assert(count < UINT32_MAX);
  call_ = call;
  context_ = context;
  count_ = static_cast<std::uint32_t>(count);
  done_.store(0, std::memory_order_relaxed);
  const std::uint32_t epoch = epoch_.load(std::memory_order_relaxed) + 1;
  left_.store(std::uint64_t{epoch} << 32U | count_, std::memory_order_release);
  epoch_.store(epoch, std::memory_order_release);
  epoch_.notify_all();
  drain(0);
  for (int spins = 0;; ++spins) {
    const std::uint32_t done = done_.load(std::memory_order_acquire);
    if (done == count) return;
    if (spins < kSpins) {
      relax();
    } else {
      done_.wait(done, std::memory_order_acquire);
    }
  }
}

// Takes indices of the loop that it finds until there are none left.
void ThreadPool::drain(unsigned thread) {
  std::uint64_t left = left_.load(std::memory_order_acquire);
  const std::uint64_t epoch = left >> 32U;
  std::uint32_t ended = 0, count = 0;
  while (left >> 32U == epoch && static_cast<std::uint32_t>(left) != 0) {
    if (!left_.compare_exchange_weak(left, left - 1, std::memory_order_acquire)) continue;
    count = count_;
    call_(context_, count - static_cast<std::uint32_t>(left), thread);
    ++ended;
    left = left_.load(std::memory_order_acquire);
  }
  // The loop may end with this, and the next begin.
  if (ended != 0 && done_.fetch_add(ended, std::memory_order_acq_rel) + ended == count) done_.notify_one();
}

void ThreadPool::work(unsigned thread) {
  std::uint32_t seen = 0;
  for (;;) {
    for (int spins = 0; epoch_.load(std::memory_order_acquire) == seen; ++spins) {
      if (spins < kSpins) {
        relax();
      } else {
        epoch_.wait(seen, std::memory_order_acquire);
      }
    }
    seen = epoch_.load(std::memory_order_acquire);  // may have missed loops that others ended
    if (stop_.load(std::memory_order_relaxed)) return;
    drain(thread);
  }
}

unsigned usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    const int count = CPU_COUNT(&set);
    if (count > 0) return static_cast<unsigned>(count);
  }
  const unsigned fallback = std::thread::hardware_concurrency();
  return fallback == 0 ? 1 : fallback;
}

}  // namespace gemvec::base
