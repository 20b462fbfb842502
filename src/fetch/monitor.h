// Progress out, cancellation in: one object that every stage of a fetch reports to.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "gemvec/fetch.h"

namespace gemvec::fetch {

class Monitor {
 public:
  // REQUIRES: `options` outlives this object.
  explicit Monitor(const FetchOptions& options) : options_(options) {}

  // A new stage over `total` bytes (0 = unknown), none of them done. Reported at once.
  void begin(std::string_view source, std::string_view stage, std::uint64_t total);

  // `done` bytes of the stage so far, now at `file`. Reported at most ten times a second, and at the
  // stage's end. Errors: kCancelled.
  Status update(std::string_view file, std::uint64_t done);

  // Errors: kCancelled.
  [[nodiscard]] Status check() const;

  // Waits, and ends early when cancelled. Errors: kCancelled.
  [[nodiscard]] Status sleep(std::chrono::milliseconds time) const;

 private:
  void report(std::string_view file, std::uint64_t done);

  const FetchOptions& options_;
  std::string source_, stage_;
  std::uint64_t total_ = 0;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace gemvec::fetch
