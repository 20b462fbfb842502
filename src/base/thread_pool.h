// A fixed set of threads that run one loop at a time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <type_traits>
#include <vector>

namespace gemvec::base {

// The caller's thread works too: a pool of N has N - 1 threads of its own. Which thread runs which
// index varies from call to call, so a body's result may depend on its index only. A loop ends when its
// indices have: a thread that the system runs elsewhere, or that has yet to wake, is not waited for.
class ThreadPool {
 public:
  // threads >= 1.
  explicit ThreadPool(unsigned threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] unsigned size() const { return static_cast<unsigned>(workers_.size()) + 1; }

  // The first index of a thread's share of `count` of them; of thread size(), the end.
  [[nodiscard]] std::size_t share(std::size_t count, unsigned thread) const {
    return thread * count / size();
  }

  // Calls body(index, thread) for index = 0..count-1, with thread in 0..size()-1, and returns when
  // all calls have ended. Each thread has a share of consecutive indices, which it takes in ascending order,
  // one at a time: so it can ask for the next index's memory while it works on one. Who has none left takes
  // the last one of another's.
  //
  // at_once: of its own share a thread takes up to so many, if as many are left. Taking is a locked
  // instruction, which waits for the stores of the body before it: for bodies of a microsecond that is worth
  // saving. But what is taken nobody else can do.
  //
  // REQUIRES: one caller at a time; body does not throw and does not call run().
  template <class Body>
  void run(std::size_t count, Body&& body, std::uint32_t at_once = 1) {
    using Plain = std::remove_reference_t<Body>;
    run_erased(
        count,
        [](void* context, std::size_t index, unsigned thread) {
          (*static_cast<Plain*>(context))(index, thread);
        },
        const_cast<void*>(static_cast<const void*>(&body)), at_once);
  }

 private:
  using Call = void (*)(void* context, std::size_t index, unsigned thread);
  void run_erased(std::size_t count, Call call, void* context, std::uint32_t at_once);
  void run_shares(std::size_t first, std::size_t count);
  void work(unsigned thread);
  void drain(unsigned thread);

  // The indices of a thread's share that are left, begin .. end - 1, and the loop's number:
  //   number << 32 | end << 16 | begin
  // Who takes one knows that it is of the loop that it saw, whatever has happened since, and that this loop
  // cannot end before it has.
  struct alignas(64) Share {
    std::atomic<std::uint64_t> left{0};
  };

  std::vector<Share> shares_;  // [size()]; before the workers, who look at them at once
  std::vector<std::thread> workers_;
  // The current loop. Written by the caller after the loop before has ended; read by who took an index.
  Call call_ = nullptr;
  void* context_ = nullptr;
  std::uint32_t count_ = 0;
  // Read before an index is taken: whoever comes late may see another loop's, which will do.
  std::atomic<std::uint32_t> at_once_{1};
  std::size_t first_ = 0;                            // what index 0 of the shares stands for
  alignas(64) std::atomic<std::uint32_t> done_{0};   // indices that have ended
  alignas(64) std::atomic<std::uint32_t> epoch_{0};  // the loop's number, for those who wait for one
  std::atomic<bool> stop_{false};
};

// Cores this process may run on (its affinity mask), at least 1.
unsigned usable_cores();

}  // namespace gemvec::base
