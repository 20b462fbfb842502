// Rotary position embedding over a vector type Vec. Included after a simd header.
#pragma once

#include "kernels/rope/rope.h"

namespace gemvec::kernels {
namespace {

inline void rotate(const float* x, const float* cos, const float* sin, std::size_t n, float* y) {
  const std::size_t half = n / 2;
  for (std::size_t i = 0; i < half; i += Vec::kLanes) {
    const Vec a = Vec::load(x + i);
    const Vec b = Vec::load(x + half + i);
    const Vec c = Vec::load(cos + i);
    const Vec s = Vec::load(sin + i);
    (a * c - b * s).store(y + i);
    (b * c + a * s).store(y + half + i);
  }
}

}  // namespace
}  // namespace gemvec::kernels
