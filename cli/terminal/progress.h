// One line on a terminal that says how far the work is; nothing at all in a pipe.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>

namespace gemvec::cli {

// Progress of something counted, over the last seconds.
class RateMeter {
 public:
  using Clock = std::chrono::steady_clock;

  // `done` counts up; a value below the last one begins anew.
  void add(double done, Clock::time_point now = Clock::now());

  // Units per second over the last kWindow; 0 while there is too little to tell.
  [[nodiscard]] double rate() const;
  // Seconds until `total`, or a negative number while the rate is unknown.
  [[nodiscard]] double eta(double total) const;

 private:
  // Long enough to even out bursts, short enough to follow a change.
  static constexpr std::chrono::seconds kWindow{10};
  struct Sample {
    Clock::time_point time;
    double done;
  };
  std::deque<Sample> samples_;
};

// Redraws standard error's last line. Draws nothing unless standard error is a terminal.
class ProgressLine {
 public:
  ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() { clear(); }

  [[nodiscard]] bool enabled() const { return enabled_; }
  // Whether the next draw() shows anything: on a terminal, ten times a second. Ask before making text.
  [[nodiscard]] bool due() const;
  void draw(const std::string& text);
  // Takes the line away: what is printed next stands alone.
  void clear();

 private:
  bool enabled_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_;
};

// Columns of the terminal at `fd`, or 0 if it is none.
std::size_t terminal_columns(int fd);

}  // namespace gemvec::cli
