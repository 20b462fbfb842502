// The server as a whole.
#pragma once

#include <cstdint>
#include <functional>

#include "gemvec/embedder.h"
#include "gemvec/result.h"
#include "server/options.h"

namespace gemvec::server {

struct ServeHooks {
  std::function<void(std::uint16_t port)> listening;  // once; may be empty
  std::function<bool()> stop;                         // polled ten times a second; true ends serve()
};

// Serves until hooks.stop() says so, then answers what is in flight and returns. Errors: those of
// HttpServer::start, and kIo if something in flight was not answered in time.
Status serve(Embedder embedder, const ServeOptions& options, const ServeHooks& hooks);

}  // namespace gemvec::server
