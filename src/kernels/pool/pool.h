// Sums of rows and what makes them means.
#pragma once

#include <cstddef>

namespace gemvec::kernels {

struct PoolKernels {
  // sum[i] += x[i], [n], n a multiple of 32.
  void (*add)(const float* x, std::size_t n, float* sum);
  // y[i] *= factor, [n], n a multiple of 32.
  void (*scale)(float* y, std::size_t n, float factor);
};

extern const PoolKernels kPoolScalar;
extern const PoolKernels kPoolAvx2;
extern const PoolKernels kPoolAvx512;

}  // namespace gemvec::kernels
