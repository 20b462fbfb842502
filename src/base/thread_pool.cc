#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>

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

// Indices of a loop at most, as a share counts them; longer ones are run in pieces.
constexpr std::size_t kMostIndices = UINT16_MAX;

struct Range {
  std::uint32_t epoch;
  std::uint16_t begin, end;

  static Range of(std::uint64_t left) {
    return {static_cast<std::uint32_t>(left >> 32U), static_cast<std::uint16_t>(left),
            static_cast<std::uint16_t>(left >> 16U)};
  }
  [[nodiscard]] std::uint64_t left() const {
    return std::uint64_t{epoch} << 32U | std::uint64_t{end} << 16U | begin;
  }
};

}  // namespace

ThreadPool::ThreadPool(unsigned threads) : shares_(threads) {
  workers_.reserve(threads - 1);
  for (unsigned i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::run_erased(std::size_t count, Call call, void* context, std::uint32_t at_once) {
  if (workers_.empty() || count == 1) {
    for (std::size_t i = 0; i < count; ++i) call(context, i, 0);
    return;
  }
  call_ = call;
  context_ = context;
  at_once_.store(at_once, std::memory_order_relaxed);
  for (std::size_t first = 0; first < count; first += kMostIndices) {
    run_shares(first, std::min(kMostIndices, count - first));
  }
}

void ThreadPool::run_shares(std::size_t first, std::size_t count) {
  first_ = first;
  count_ = static_cast<std::uint32_t>(count);
  done_.store(0, std::memory_order_relaxed);
  const std::uint32_t epoch = epoch_.load(std::memory_order_relaxed) + 1;
  for (unsigned i = 0; i < size(); ++i) {
    const Range range = {epoch, static_cast<std::uint16_t>(share(count, i)),
                         static_cast<std::uint16_t>(share(count, i + 1))};
    shares_[i].left.store(range.left(), std::memory_order_release);
  }
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

// Takes indices of the loop that it finds until there are none left: the first of its own share, then the
// last of the others'.
void ThreadPool::drain(unsigned thread) {
  const std::uint32_t epoch = Range::of(shares_[thread].left.load(std::memory_order_acquire)).epoch;
  std::uint32_t ended = 0, count = 0;
  for (unsigned i = 0; i < size(); ++i) {
    const unsigned owner = (thread + i) % size();
    std::atomic<std::uint64_t>& share = shares_[owner].left;
    std::uint64_t left = share.load(std::memory_order_acquire);
    for (Range range = Range::of(left); range.epoch == epoch && range.begin < range.end;
         range = Range::of(left)) {
      // Half of what is left at most: the rest is for those who are done sooner.
      const auto half = static_cast<std::uint32_t>(range.end - range.begin + 1) / 2;
      const std::uint32_t taken = i == 0 ? std::min(half, at_once_.load(std::memory_order_relaxed)) : 1;
      const std::size_t index = i == 0 ? range.begin : range.end - 1U;
      i == 0 ? range.begin = static_cast<std::uint16_t>(range.begin + taken) : --range.end;
      if (!share.compare_exchange_weak(left, range.left(), std::memory_order_acquire)) continue;
      count = count_;
      for (std::uint32_t n = 0; n < taken; ++n) call_(context_, first_ + index + n, thread);
      ended += taken;
      left = share.load(std::memory_order_acquire);
    }
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
