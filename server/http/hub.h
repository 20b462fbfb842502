// What the sessions of one server share.
#pragma once

#include <atomic>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "server/http/policy.h"
#include "server/http/router.h"
#include "server/http/server.h"
#include "server/options.h"

namespace gemvec::server {

class Session;

// Between answers and connections: an answer can come from any thread at any time, also when the server has
// long been destroyed. Who holds the lock and finds it open may touch sessions.
struct Mailbox {
  std::shared_mutex mutex;
  bool open = true;
};

// The open connections. Thread-safe.
class Registry {
 public:
  Registry(std::size_t most, std::function<void(std::size_t)> changed);

  // false: there are as many as may be, or no more are wanted.
  [[nodiscard]] bool add(const std::shared_ptr<Session>& session);
  void remove(const Session* session);
  [[nodiscard]] bool full() const;
  // Takes no more. Returns those that are there.
  [[nodiscard]] std::vector<std::shared_ptr<Session>> close();
  [[nodiscard]] std::vector<std::shared_ptr<Session>> all() const;
  // Until none is left; false if some are after `patience`.
  [[nodiscard]] bool wait_empty(std::chrono::milliseconds patience);

 private:
  [[nodiscard]] std::vector<std::shared_ptr<Session>> locked_all() const;

  mutable std::mutex mutex_;
  std::condition_variable emptied_;
  const std::size_t most_;
  const std::function<void(std::size_t)> changed_;  // called under the lock: numbers come in order
  std::unordered_map<const Session*, std::weak_ptr<Session>> sessions_;
  bool closed_ = false;
};

struct Hub {
  Hub(HttpOptions options, Router router, HttpServer::Observers observers, bool loopback, unsigned workers);

  const HttpOptions options;
  const Router router;
  const Policy policy;
  const HttpServer::Observers observers;
  std::shared_ptr<boost::asio::ssl::context> tls;  // null: plain
  std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>();
  Registry registry;
  std::atomic<bool> stopping{false};
  std::atomic<bool> lost{false};  // a request in flight was cut off by stop()
  boost::asio::thread_pool workers;
  boost::asio::thread_pool quick{1};  // health and metrics: never behind somebody's megabytes of JSON
};

}  // namespace gemvec::server
