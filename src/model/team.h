// Who works on a block: one thread of the pool, or all of them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/thread_pool.h"

namespace gemvec::model {

// Indices that a thread takes at once where threads share a block: bodies are a microsecond or two there.
inline constexpr std::uint32_t kTasksAtOnce = 4;

class Team {
 public:
  explicit Team(unsigned thread) : thread_(thread) {}
  explicit Team(base::ThreadPool& pool) : pool_(&pool) {}

  [[nodiscard]] bool alone() const { return pool_ == nullptr; }
  // The thread whose buffers hold what the team shares.
  [[nodiscard]] unsigned leader() const { return thread_; }

  // The first index of `count` that run() gives to `thread`; the first behind them.
  [[nodiscard]] std::size_t share_begin(std::size_t count, unsigned thread) const {
    return pool_ == nullptr ? 0 : pool_->share(count, thread);
  }
  [[nodiscard]] std::size_t share_end(std::size_t count, unsigned thread) const {
    return pool_ == nullptr ? count : pool_->share(count, thread + 1);
  }

  // body(index, thread) for index = 0 .. count - 1; returns when all have ended.
  template <class Body>
  void run(std::size_t count, Body&& body) {
    if (pool_ != nullptr) {
      pool_->run(count, body, kTasksAtOnce);
    } else {
      for (std::size_t i = 0; i < count; ++i) body(i, thread_);
    }
  }

 private:
  base::ThreadPool* pool_ = nullptr;
  unsigned thread_ = 0;
};

}  // namespace gemvec::model
