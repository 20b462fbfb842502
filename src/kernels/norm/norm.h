// RMSNorm and the residual additions around it.
#pragma once

#include <cstddef>

namespace gemvec::kernels {

// All rows are [n] floats, n a multiple of 32; `scale` is 1 + w of the norm, [n]. The sum of squares is taken
// in a fixed order that depends on n alone.
struct NormKernels {
  // y = x / sqrt(mean(x^2) + eps) * scale. y may be x.
  void (*norm)(const float* x, const float* scale, std::size_t n, float eps, float* y);
  // x += norm(branch): the end of a residual branch.
  void (*add_norm)(const float* branch, const float* scale, std::size_t n, float eps, float* x);
  // add_norm(), and y = norm(x) with the next norm's scale: the same bits as one after the other. y may be
  // branch.
  void (*add_norm_norm)(const float* branch, const float* scale, std::size_t n, float eps, float* x,
                        const float* next_scale, float* y);
};

extern const NormKernels kNormScalar;
extern const NormKernels kNormAvx2;
extern const NormKernels kNormAvx512;

}  // namespace gemvec::kernels
