// Softmax over a vector type Vec. Included after a simd header.
#pragma once

#include "kernels/simd/math.inl.h"
#include "kernels/softmax/softmax.h"

namespace gemvec::kernels {
namespace {

// The row is taken from `begin` in whole vectors; what is left at the end goes through a vector on the stack
// that is filled up with the lowest float, whose exponential is set to 0 by the copy back.
inline float exponentials(float* scores, std::size_t n, std::size_t begin, std::size_t end) {
  constexpr float kLowest = -3.4028235e38F;
  const std::size_t whole = begin + (end - begin) / Vec::kLanes * Vec::kLanes;
  float tail[Vec::kLanes];
  for (std::size_t i = 0; i < Vec::kLanes; ++i) tail[i] = whole + i < end ? scores[whole + i] : kLowest;

  Vec top = Vec::load(tail);
  for (std::size_t i = begin; i < whole; i += Vec::kLanes) top = Vec::max(top, Vec::load(scores + i));
  const Vec highest = Vec::set(Vec::max_lane(top));

  Vec sum = Vec::zero();
  for (std::size_t i = begin; i < whole; i += Vec::kLanes) {
    const Vec e = exp(Vec::load(scores + i) - highest);
    e.store(scores + i);
    sum = sum + e;
  }
  float total = Vec::sum(sum);
  exp(Vec::load(tail) - highest).store(tail);
  for (std::size_t i = whole; i < end; ++i) {
    scores[i] = tail[i - whole];
    total += scores[i];
  }
  for (std::size_t i = 0; i < begin; ++i) scores[i] = 0;
  for (std::size_t i = end; i < n; ++i) scores[i] = 0;
  return total;
}

inline void scale(float* y, std::size_t n, float factor) {
  const Vec f = Vec::set(factor);
  for (std::size_t i = 0; i < n; i += Vec::kLanes) (Vec::load(y + i) * f).store(y + i);
}

}  // namespace
}  // namespace gemvec::kernels
