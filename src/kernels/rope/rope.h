// Rotary position embedding.
#pragma once

#include <cstddef>

namespace gemvec::kernels {

struct RopeKernels {
  // One head at one position: y = rotate(x), where element i < n / 2 is paired with i + n / 2 and turned by
  // the angle whose cosine and sine are given. x, y: [n], n a multiple of 32; cos, sin: [n / 2]. y may be x.
  void (*rotate)(const float* x, const float* cos, const float* sin, std::size_t n, float* y);
};

extern const RopeKernels kRopeScalar;
extern const RopeKernels kRopeAvx2;
extern const RopeKernels kRopeAvx512;

}  // namespace gemvec::kernels
