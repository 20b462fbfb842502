// Softmax of one row of attention scores within its window.
#pragma once

#include <cstddef>

namespace gemvec::kernels {

struct SoftmaxKernels {
  // scores: [n]. Positions begin..end-1 (0 <= begin < end <= n) become e^(score - max), all others 0; returns
  // the sum. Dividing is left to the caller, who has fewer numbers to divide after the product with V.
  float (*exponentials)(float* scores, std::size_t n, std::size_t begin, std::size_t end);
  // y[i] *= factor, [n], n a multiple of 32.
  void (*scale)(float* y, std::size_t n, float factor);
};

extern const SoftmaxKernels kSoftmaxScalar;
extern const SoftmaxKernels kSoftmaxAvx2;
extern const SoftmaxKernels kSoftmaxAvx512;

}  // namespace gemvec::kernels
