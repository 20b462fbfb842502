#include "fetch/monitor.h"

#include <algorithm>
#include <thread>

#include "base/try.h"

namespace gemvec::fetch {

void Monitor::begin(std::string_view source, std::string_view stage, std::uint64_t total) {
  source_ = source;
  stage_ = stage;
  total_ = total;
  report({}, 0);
}

Status Monitor::update(std::string_view file, std::uint64_t done) {
  constexpr auto kInterval = std::chrono::milliseconds(100);  // ten a second: smooth to an eye
  const bool at_end = total_ != 0 && done == total_;
  if (at_end || std::chrono::steady_clock::now() - last_ >= kInterval) report(file, done);
  return check();
}

Status Monitor::check() const {
  if (options_.cancelled && options_.cancelled())
    return Error{ErrorCode::kCancelled, "Fetching the model was cancelled; what has arrived is kept."};
  return {};
}

Status Monitor::sleep(std::chrono::milliseconds time) const {
  constexpr auto kStep = std::chrono::milliseconds(50);  // how late a cancellation may be noticed
  const auto end = std::chrono::steady_clock::now() + time;
  for (auto now = std::chrono::steady_clock::now(); now < end; now = std::chrono::steady_clock::now()) {
    GEMVEC_CHECK_OK(check());
    std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(kStep, end - now));
  }
  return check();
}

void Monitor::report(std::string_view file, std::uint64_t done) {
  last_ = std::chrono::steady_clock::now();
  if (!options_.progress) return;
  options_.progress({source_, file, stage_, done, total_});
}

}  // namespace gemvec::fetch
