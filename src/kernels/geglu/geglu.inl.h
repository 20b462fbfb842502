// The feed-forward's gate over a vector type Vec. Included after a simd header.
#pragma once

#include "kernels/geglu/geglu.h"
#include "kernels/simd/math.inl.h"

namespace gemvec::kernels {
namespace {

// 0.5 (1 + tanh(u)) = 1 / (1 + e^-2u): one exponential and no cancellation for negative u.
inline void geglu(const float* gate, const float* up, std::size_t n, float* y) {
  const Vec one = Vec::set(1.0F);
  const Vec minus_two_root = Vec::set(-2.0F * 0.7978845608028654F);  // -2 sqrt(2 / pi)
  const Vec cubic = Vec::set(0.044715F);
  for (std::size_t i = 0; i < n; i += Vec::kLanes) {
    const Vec x = Vec::load(gate + i);
    const Vec inner = Vec::fma(cubic * x * x, x, x);
    const Vec gelu = x / (one + exp(minus_two_root * inner));
    (gelu * Vec::load(up + i)).store(y + i);
  }
}

}  // namespace
}  // namespace gemvec::kernels
