// How much of a bulk micro-batch's time the first lane may take between its layers.
#pragma once

#include <chrono>

namespace gemvec::server {

// The first lane goes whenever something waits in it, until it has had kAhead more than the bulk micro-batch
// itself: from then on they go in turns. So a question now and then is answered at once, and clients that ask
// without a pause leave the bulk lane about half of the time.
class LaneShare {
 public:
  using Clock = std::chrono::steady_clock;

  // A few questions' work on a slow machine.
  static constexpr std::chrono::milliseconds kAhead{50};

  // `began`: when the bulk micro-batch did.
  explicit LaneShare(Clock::time_point began) : began_(began) {}

  [[nodiscard]] bool first_may_go(Clock::time_point now) const {
    return first_ <= now - began_ - first_ + kAhead;
  }
  // The first lane had so much.
  void first_went(Clock::duration time) { first_ += time; }

 private:
  Clock::time_point began_;
  Clock::duration first_{};
};

}  // namespace gemvec::server
