// Who works on a block: one thread of the pool, or all of them.
#pragma once

#include <cstddef>

#include "base/thread_pool.h"

namespace gemvec::model {

class Team {
 public:
  explicit Team(unsigned thread) : thread_(thread) {}
  explicit Team(base::ThreadPool& pool) : pool_(&pool) {}

  [[nodiscard]] bool alone() const { return pool_ == nullptr; }
  // The thread whose buffers hold what the team shares.
  [[nodiscard]] unsigned leader() const { return thread_; }

  // body(index, thread) for index = 0 .. count - 1; returns when all have ended.
  template <class Body>
  void run(std::size_t count, Body&& body) {
    if (pool_ != nullptr) {
      pool_->run(count, body);
    } else {
      for (std::size_t i = 0; i < count; ++i) body(i, thread_);
    }
  }

 private:
  base::ThreadPool* pool_ = nullptr;
  unsigned thread_ = 0;
};

}  // namespace gemvec::model
