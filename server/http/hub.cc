// What the sessions of one server share.
#include "server/http/hub.h"

#include <utility>

#include "server/http/session.h"

namespace gemvec::server {

Registry::Registry(std::size_t most, std::function<void(std::size_t)> changed)
    : most_(most), changed_(std::move(changed)) {}

bool Registry::add(const std::shared_ptr<Session>& session) {
  const std::lock_guard lock(mutex_);
  if (closed_ || sessions_.size() >= most_) return false;
  sessions_.emplace(session.get(), session);
  if (changed_) changed_(sessions_.size());
  return true;
}

void Registry::remove(const Session* session) {
  const std::lock_guard lock(mutex_);
  if (sessions_.erase(session) == 0) return;
  if (changed_) changed_(sessions_.size());
  if (sessions_.empty()) emptied_.notify_all();
}

bool Registry::full() const {
  const std::lock_guard lock(mutex_);
  return sessions_.size() >= most_;
}

std::vector<std::shared_ptr<Session>> Registry::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  return locked_all();
}

std::vector<std::shared_ptr<Session>> Registry::all() const {
  const std::lock_guard lock(mutex_);
  return locked_all();
}

std::vector<std::shared_ptr<Session>> Registry::locked_all() const {
  std::vector<std::shared_ptr<Session>> all;
  all.reserve(sessions_.size());
  for (const auto& [key, weak] : sessions_) {
    if (auto session = weak.lock()) all.push_back(std::move(session));
  }
  return all;
}

bool Registry::wait_empty(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  return emptied_.wait_for(lock, patience, [this] { return sessions_.empty(); });
}

Hub::Hub(HttpOptions chosen, Router routes, HttpServer::Observers watchers, bool loopback,
         unsigned worker_count)
    : options(std::move(chosen)),
      router(std::move(routes)),
      policy(options, loopback),
      observers(std::move(watchers)),
      registry(options.max_connections, observers.connections),
      workers(worker_count) {}

}  // namespace gemvec::server
