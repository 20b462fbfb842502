// Connections: bytes to requests, answers to bytes, within limits of size and time. Knows nothing of vectors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "gemvec/result.h"
#include "server/http/message.h"
#include "server/http/router.h"
#include "server/options.h"

namespace gemvec::server {

// One answered request, for the log and the metrics.
struct Exchange {
  const HttpRequest& request;
  std::string_view pattern;  // of the route, or empty
  unsigned status;
  std::size_t bytes;  // of the body
  std::chrono::nanoseconds duration;
};

class HttpServer {
 public:
  // What the server tells while it runs. Called from the threads that move bytes, so they must be quick; may
  // be empty. `answered` comes just before the answer is sent, so that who has read an answer finds it
  // counted; also for what was refused here, with empty method and path if it was no HTTP. Not for clients
  // that left before.
  struct Observers {
    std::function<void(const Exchange&)> answered;
    std::function<void(std::size_t open)> connections;
  };

  // Listens. Errors: kInvalidArgument (hostname, certificate and key), kIo (port in use, file not readable).
  static Result<std::unique_ptr<HttpServer>> start(const HttpOptions& options, Router router,
                                                   Observers observers);
  virtual ~HttpServer() = default;

  [[nodiscard]] virtual std::uint16_t port() const = 0;  // the one that is listened on
  // Runs `task` on a worker thread, where handlers run: answers are encoded there. What it throws is dropped;
  // after stop() the task is.
  virtual void post(std::function<void()> task) = 0;
  // Takes no new connections and requests, answers what is in flight within stop_timeout, then closes
  // everything and returns. Returns whether all was answered. Not to be called from a handler. The destructor
  // closes everything at once.
  virtual bool stop() = 0;
};

}  // namespace gemvec::server
