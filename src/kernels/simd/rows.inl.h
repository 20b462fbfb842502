// The rows of A that a register tile of a matrix product walks along.
#pragma once

#include <cstddef>

namespace gemvec::kernels {
namespace {

// Addresses of R rows, lda apart, held as one base per four rows: x86 addressing then reaches each row
// with base + {0, 1, 2} * lda or base + 3 * lda, and R = 12 needs 5 general registers instead of 12.
template <class T, int R>
struct Rows {
  static constexpr int kBases = (R + 3) / 4;
  const T* base[kBases];
  std::size_t lda, lda3;

  Rows(const T* a, std::size_t stride) : lda(stride), lda3(3 * stride) {
    for (int i = 0; i < kBases; ++i) base[i] = a + static_cast<std::size_t>(4 * i) * stride;
  }
  const T* at(int r) const {
    const T* p = base[r / 4];
    switch (r % 4) {
      case 0:
        return p;
      case 1:
        return p + lda;
      case 2:
        return p + 2 * lda;
      default:
        return p + lda3;
    }
  }
  void advance(std::size_t n) {
    for (int i = 0; i < kBases; ++i) base[i] += n;
  }
};

// What is read after a panel: what lies behind it or, after the last of a call, what the call names, if it
// does.
inline const void* read_next(const void* behind, bool last, const void* named) {
  return last && named != nullptr ? named : behind;
}

// The panel of B that follows the one at hand, asked for at each step of k of the tiles before it: else the
// first tile of every panel would wait for each of its lines, from the level-3 cache or, where a query alone
// passes once over all weights, from memory. Evenly over all these steps, however many tiles there are,
// because the processor can only wait for some twenty lines at a time and memory brings no more for being
// asked in a rush: so a line may be asked for in several steps. Prefetching never faults, so the last panel
// may ask for what lies behind it, which mostly is the next product's first.
class Ahead {
 public:
  static constexpr std::size_t kLine = 64;

  // `asks`: steps of all tiles before the panel. A line a step at most.
  Ahead(const void* panel, std::size_t bytes, std::size_t asks = 1)
      : at_(static_cast<const char*>(panel)), end_(at_ + bytes), step_((bytes + asks - 1) / asks) {
    if (step_ > kLine) step_ = kLine;
  }
  // What the next tile asks for first, and bytes from one ask to the next.
  [[nodiscard]] const char* at() const { return at_; }
  [[nodiscard]] std::size_t step() const { return step_; }
  // A tile has asked `asks` times.
  void pass(std::size_t asks) { at_ += asks * step_; }
  // Asks for `lines` at once, every second of them: processors with tiles fetch two at a time.
  void ask_in_pairs(std::size_t lines) {
    if (at_ >= end_) return;
    for (std::size_t i = 0; i < lines; i += 2) ask(at_ + i * kLine);
    at_ += lines * kLine;
  }
  // Into the level-2 cache: the panel at hand has the first.
  static void ask(const char* line) { __builtin_prefetch(line, 0, 2); }

 private:
  const char* at_;
  const char* end_;
  std::size_t step_;
};

}  // namespace
}  // namespace gemvec::kernels
