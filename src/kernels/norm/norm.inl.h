// RMSNorm over a vector type Vec. Included after a simd header.
#pragma once

#include <cmath>

#include "kernels/norm/norm.h"

namespace gemvec::kernels {
namespace {

// The sum of squares of a row, taken as it passes. Four sums, because one addition takes 3-4 cycles and two
// can start in each.
class SquareSum {
 public:
  static constexpr std::size_t kSums = 32 / Vec::kLanes < 4 ? 32 / Vec::kLanes : 4;

  SquareSum() {
    for (Vec& sum : sums_) sum = Vec::zero();
  }
  // The j-th vector of kSums that follow one another.
  void add(std::size_t j, Vec v) { sums_[j] = Vec::fma(v, v, sums_[j]); }
  // 1 / sqrt(mean(x^2) + eps)
  [[nodiscard]] float inverse_rms(std::size_t n, float eps) const {
    Vec total = sums_[0];
    for (std::size_t j = 1; j < kSums; ++j) total = total + sums_[j];
    return 1.0F / std::sqrt(Vec::sum(total) / static_cast<float>(n) + eps);
  }

 private:
  Vec sums_[kSums];
};

// body(i, j) for every vector of a row: it starts at i and is the j-th of SquareSum::kSums.
template <class Body>
inline void for_vectors(std::size_t n, Body&& body) {
  for (std::size_t i = 0; i < n; i += SquareSum::kSums * Vec::kLanes) {
    for (std::size_t j = 0; j < SquareSum::kSums; ++j) body(i + j * Vec::kLanes, j);
  }
}

inline float inverse_rms(const float* x, std::size_t n, float eps) {
  SquareSum sum;
  for_vectors(n, [&](std::size_t i, std::size_t j) { sum.add(j, Vec::load(x + i)); });
  return sum.inverse_rms(n, eps);
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

inline void add_norm_norm(const float* branch, const float* scale, std::size_t n, float eps, float* x,
                          const float* next_scale, float* y) {
  const Vec inverse = Vec::set(inverse_rms(branch, n, eps));
  SquareSum sum;
  for_vectors(n, [&](std::size_t i, std::size_t j) {
    const Vec v = Vec::load(x + i) + Vec::load(branch + i) * inverse * Vec::load(scale + i);
    v.store(x + i);
    sum.add(j, v);
  });
  const Vec next_inverse = Vec::set(sum.inverse_rms(n, eps));
  for (std::size_t i = 0; i < n; i += Vec::kLanes) {
    (Vec::load(x + i) * next_inverse * Vec::load(next_scale + i)).store(y + i);
  }
}

}  // namespace
}  // namespace gemvec::kernels
