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

}  // namespace
}  // namespace gemvec::kernels
