// One line on a terminal that says how far the work is.
#include "cli/terminal/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "cli/terminal/format.h"

namespace gemvec::cli {

void RateMeter::add(double done, Clock::time_point now) {
  if (!samples_.empty() && done < samples_.back().done) samples_.clear();
  samples_.push_back({now, done});
  while (samples_.size() > 2 && now - samples_.front().time > kWindow) samples_.pop_front();
}

double RateMeter::rate() const {
  if (samples_.size() < 2) return 0;
  const std::chrono::duration<double> time = samples_.back().time - samples_.front().time;
  return time.count() > 0 ? (samples_.back().done - samples_.front().done) / time.count() : 0;
}

double RateMeter::eta(double total) const {
  const double units_per_second = rate();
  return units_per_second > 0 ? (total - samples_.back().done) / units_per_second : -1;
}

std::size_t terminal_columns(int fd) {
  if (isatty(fd) == 0) return 0;
  constexpr std::size_t kUsualColumns = 80;  // for terminals that do not say
  struct winsize size = {};
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col != 0 ? size.ws_col : kUsualColumns;
}

ProgressLine::ProgressLine() {
  const char* term = std::getenv("TERM");
  enabled_ = isatty(STDERR_FILENO) != 0 && (term == nullptr || std::string_view(term) != "dumb");
}

bool ProgressLine::due() const {
  constexpr std::chrono::milliseconds kInterval{100};
  return enabled_ && (!drawn_ || std::chrono::steady_clock::now() - last_ >= kInterval);
}

void ProgressLine::draw(const std::string& text) {
  if (!due()) return;
  last_ = std::chrono::steady_clock::now();
  drawn_ = true;
  // One column stays free: a full line would wrap on some terminals, and then not be overwritten.
  const std::size_t columns = terminal_columns(STDERR_FILENO);
  fmt::print(stderr, "\r{}\x1b[K", one_line(text, columns > 2 ? columns - 2 : 1));
  std::fflush(stderr);
}

void ProgressLine::clear() {
  if (!drawn_) return;
  drawn_ = false;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
}

}  // namespace gemvec::cli
