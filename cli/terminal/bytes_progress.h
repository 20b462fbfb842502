// Bytes on their way: a bar with rate and time left, on a terminal only.
#pragma once

#include <cstdint>
#include <string>

#include "cli/terminal/progress.h"

namespace gemvec::cli {

// Draws "LABEL [====>   ] 45%  530.1/1178.2 MB  12.3 MB/s  ETA 0:53".
class BytesProgress {
 public:
  // Another label begins anew. total = 0: not known.
  void draw(const std::string& label, std::uint64_t done, std::uint64_t total);
  void clear() { line_.clear(); }

 private:
  ProgressLine line_;
  RateMeter meter_;
  std::string label_;
};

}  // namespace gemvec::cli
