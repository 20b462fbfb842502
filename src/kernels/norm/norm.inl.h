// RMSNorm over a vector type Vec. Included after a simd header.
#pragma once

#include <cmath>

#include "kernels/norm/norm.h"

namespace gemvec::kernels {
namespace {

// 1 / sqrt(mean(x^2) + eps). Four sums, because one addition takes 3-4 cycles and two can start in each.
inline float inverse_rms(const float* x, std::size_t n, float eps) {
  constexpr std::size_t kSums = 32 / Vec::kLanes < 4 ? 32 / Vec::kLanes : 4;
  Vec sums[kSums];
  for (std::size_t j = 0; j < kSums; ++j) sums[j] = Vec::zero();
  for (std::size_t i = 0; i < n; i += kSums * Vec::kLanes) {
    for (std::size_t j = 0; j < kSums; ++j) {
      const Vec v = Vec::load(x + i + j * Vec::kLanes);
      sums[j] = Vec::fma(v, v, sums[j]);
    }
  }
  Vec total = sums[0];
  for (std::size_t j = 1; j < kSums; ++j) total = total + sums[j];
  return 1.0F / std::sqrt(Vec::sum(total) / static_cast<float>(n) + eps);
}

inline void norm(const float* x, const float* scale, std::size_t n, float eps, float* y) {
  const Vec inverse = Vec::set(inverse_rms(x, n, eps));
  for (std::size_t i = 0; i < n; i += Vec::kLanes) {
    (Vec::load(x + i) * inverse * Vec::load(scale + i)).store(y + i);
  }
}

inline void add_norm(const float* branch, const float* scale, std::size_t n, float eps, float* x) {
  const Vec inverse = Vec::set(inverse_rms(branch, n, eps));
  for (std::size_t i = 0; i < n; i += Vec::kLanes) {
    (Vec::load(x + i) + Vec::load(branch + i) * inverse * Vec::load(scale + i)).store(x + i);
  }
}

}  // namespace
}  // namespace gemvec::kernels
