// Texts that wait, in two lanes. Not thread-safe: the batcher has the lock.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

namespace gemvec::server {

enum class Lane {
  kFirst,  // short requests: somebody is likely to wait for them
  kBulk,
};

// What is computed once, for everyone who asks for it at the same time.
struct TextKey {
  std::vector<std::int32_t> ids;
  bool tokens = false;  // rows of every token instead of one vector
  bool operator==(const TextKey&) const = default;
};

struct TextKeyHash {
  std::size_t operator()(const TextKey& key) const;
};

struct PendingJob;  // the batcher's

// One place in a job that waits for a text.
struct Waiter {
  std::shared_ptr<PendingJob> job;
  std::size_t index = 0;
  std::chrono::steady_clock::time_point since{};
};

struct QueuedText {
  TextKey key;
  std::vector<Waiter> waiters;
  Lane lane = Lane::kBulk;
  bool taken = false;  // out of the queue
};

struct QueueLimits {
  std::size_t tokens = 0;
  std::size_t texts = 0;  // 0: no limit
};

class TextQueue {
 public:
  // Adds a waiter, to a text that is waiting or being computed already if there is one.
  void add(TextKey key, Waiter waiter, Lane lane);

  // The oldest texts of a lane, as many as fit, at least one; all with the same TextKey::tokens. Empty if
  // nothing waits. They stay known to add() until forget() is called.
  std::vector<std::shared_ptr<QueuedText>> take(Lane lane, const QueueLimits& limits);
  void forget(const QueuedText& text);

  [[nodiscard]] std::size_t tokens() const { return tokens_; }  // that wait
  [[nodiscard]] std::size_t texts() const { return texts_; }
  [[nodiscard]] bool empty(Lane lane) const { return waiting_[index(lane)] == 0; }

 private:
  using Texts = std::deque<std::shared_ptr<QueuedText>>;
  static std::size_t index(Lane lane) { return static_cast<std::size_t>(lane); }
  // The text at the front of a lane that still waits in it; null: none.
  std::shared_ptr<QueuedText> front(Lane lane);

  std::unordered_map<TextKey, std::shared_ptr<QueuedText>, TextKeyHash> known_;
  std::array<Texts, 2> lanes_;
  std::array<std::size_t, 2> waiting_{};
  std::size_t tokens_ = 0, texts_ = 0;
};

}  // namespace gemvec::server
