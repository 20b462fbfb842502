#include "server/batch/queue.h"

#include <functional>
#include <string_view>
#include <utility>

namespace gemvec::server {

std::size_t TextKeyHash::operator()(const TextKey& key) const {
  const std::string_view bytes(reinterpret_cast<const char*>(key.ids.data()),
                               key.ids.size() * sizeof(key.ids[0]));
  return std::hash<std::string_view>()(bytes) ^ static_cast<std::size_t>(key.tokens);
}

void TextQueue::add(TextKey key, Waiter waiter, Lane lane) {
  const auto known = known_.find(key);
  if (known == known_.end()) {
    auto text = std::make_shared<QueuedText>();
    text->key = std::move(key);
    text->lane = lane;
    text->waiters.push_back(std::move(waiter));
    tokens_ += text->key.ids.size();
    ++texts_;
    known_.emplace(text->key, text);
    ++waiting_[index(lane)];
    lanes_[index(lane)].push_back(std::move(text));
    return;
  }
  const std::shared_ptr<QueuedText>& text = known->second;
  text->waiters.push_back(std::move(waiter));
  // Somebody in a hurry asks for what waits in the bulk lane: it changes lanes, and front() passes over the
  // place that it had.
  if (lane == Lane::kFirst && text->lane == Lane::kBulk && !text->taken) {
    text->lane = Lane::kFirst;
    lanes_[index(Lane::kFirst)].push_back(text);
    ++waiting_[index(Lane::kFirst)];
    --waiting_[index(Lane::kBulk)];
  }
}

std::shared_ptr<QueuedText> TextQueue::front(Lane lane) {
  Texts& queue = lanes_[index(lane)];
  while (!queue.empty() && (queue.front()->taken || queue.front()->lane != lane)) queue.pop_front();
  return queue.empty() ? nullptr : queue.front();
}

std::vector<std::shared_ptr<QueuedText>> TextQueue::take(Lane lane, const QueueLimits& limits) {
  std::vector<std::shared_ptr<QueuedText>> batch;
  std::size_t tokens = 0;
  while (const std::shared_ptr<QueuedText> next = front(lane)) {
    const std::size_t size = next->key.ids.size();
    if (!batch.empty() &&
        (tokens + size > limits.tokens || (limits.texts != 0 && batch.size() >= limits.texts) ||
         next->key.tokens != batch.front()->key.tokens)) {
      break;
    }
    next->taken = true;
    tokens += size;
    tokens_ -= size;
    --texts_;
    --waiting_[index(lane)];
    batch.push_back(next);
  }
  return batch;
}

void TextQueue::forget(const QueuedText& text) { known_.erase(text.key); }

}  // namespace gemvec::server
