#include "base/thread_pool.h"

#include <sched.h>

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
  call_ = call;
  context_ = context;
  count_ = count;
  next_.store(0, std::memory_order_relaxed);
  busy_.store(static_cast<unsigned>(workers_.size()), std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  drain(0);
  for (int spins = 0;; ++spins) {
    const unsigned busy = busy_.load(std::memory_order_acquire);
    if (busy == 0) return;
    if (spins < kSpins) {
      relax();
    } else {
      busy_.wait(busy, std::memory_order_acquire);
    }
  }
}

void ThreadPool::drain(unsigned thread) {
  for (;;) {
    const std::size_t index = next_.fetch_add(1, std::memory_order_relaxed);
    if (index >= count_) return;
    call_(context_, index, thread);
  }
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
    ++seen;  // loops do not overlap, so the epoch has moved by exactly one
    if (stop_.load(std::memory_order_relaxed)) return;
    drain(thread);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
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
