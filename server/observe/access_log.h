// One line for each answered request, on standard error: plain, or JSON for machines.
#pragma once

#include <memory>

#include "server/http/server.h"

namespace gemvec::server {

// Thread-safe. Writes from a thread of its own: a pipe that nobody reads, or a full disk, loses lines and
// holds nothing up. Has neither bodies nor header values in it, and of a path only what is harmless in a
// terminal.
class AccessLog {
 public:
  explicit AccessLog(bool json);
  ~AccessLog();

  void write(const Exchange& exchange);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gemvec::server
