// What a handler sees of HTTP: a request that has arrived whole, and the response to give.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gemvec::server {

struct Header {
  std::string name;
  std::string value;
};

// Set when the client has gone: nobody waits for the answer any more. Shared by the connection, which sets
// it, and by the work, which looks at it.
class Cancellation {
 public:
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
};

struct HttpRequest {
  std::string method;  // "GET"; HEAD arrives as GET, and the connection leaves the body out
  std::string path;    // percent-decoded, without the query: "/v1/models/a". UTF-8 without control characters
  std::string query;   // as it was sent, without "?"
  std::vector<Header> headers;
  std::string body;
  std::string id;      // the client's x-request-id if it is short and printable, else one made here
  std::string remote;  // "127.0.0.1:50312"
  std::chrono::steady_clock::time_point received{};  // when the head had arrived
  std::shared_ptr<Cancellation> cancellation = std::make_shared<Cancellation>();

  // The first header of that name, in any case; empty if there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type{};  // empty: no content-type header
  std::string body{};
  std::vector<Header> headers{};
};

// Gives the answer. Called exactly once, from any thread; dropping it uncalled is a bug that the connection
// answers with 500.
using Respond = std::function<void(HttpResponse)>;
// Runs on a worker thread, never on one that moves bytes; GET of a public route on a thread of its own, so
// that health and metrics never wait behind other requests. Must not block for long: work on vectors is
// queued, and its end calls `respond`. Must not throw; if it does, the answer is 500.
using Handler = std::function<void(std::shared_ptr<const HttpRequest> request, Respond respond)>;

}  // namespace gemvec::server
