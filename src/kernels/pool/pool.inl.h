// Sums of rows over a vector type Vec. Included after a simd header.
#pragma once

#include "kernels/pool/pool.h"

namespace gemvec::kernels {
namespace {

inline void add(const float* x, std::size_t n, float* sum) {
  for (std::size_t i = 0; i < n; i += Vec::kLanes) (Vec::load(sum + i) + Vec::load(x + i)).store(sum + i);
}

inline void scale(float* y, std::size_t n, float factor) {
  const Vec f = Vec::set(factor);
  for (std::size_t i = 0; i < n; i += Vec::kLanes) (Vec::load(y + i) * f).store(y + i);
}

}  // namespace
}  // namespace gemvec::kernels
