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

// The panel of B that follows the one at hand, asked for a line at each step of k of the tiles before it:
// else the first tile of every panel would wait for each of its lines, from the level-3 cache or, where a
// query alone passes once over all weights, from memory. A line a step, because the processor can only wait
// for some twenty at a time. Prefetching never faults, so the last panel may ask for what lies behind it,
// which mostly is the next product's first.
class Ahead {
 public:
  static constexpr std::size_t kLine = 64;

  Ahead(const void* panel, std::size_t bytes) : at_(static_cast<const char*>(panel)), end_(at_ + bytes) {}
  // What the next tile asks for first, and bytes from one line to the next: none when all is on its way.
  [[nodiscard]] const char* at() const { return at_; }
  [[nodiscard]] std::size_t step() const { return at_ < end_ ? kLine : 0; }
  // A tile has asked for `lines`.
  void pass(std::size_t lines) { at_ += lines * step(); }
  // Asks for `lines` at once, every second of them: processors with tiles fetch two at a time.
  void ask_in_pairs(std::size_t lines) {
    if (step() == 0) return;
    for (std::size_t i = 0; i < lines; i += 2) ask(at_ + i * kLine);
    pass(lines);
  }
  // Into the level-2 cache: the panel at hand has the first.
  static void ask(const char* line) { __builtin_prefetch(line, 0, 2); }

 private:
  const char* at_;
  const char* end_;
};

}  // namespace
}  // namespace gemvec::kernels
