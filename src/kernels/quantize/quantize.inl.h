// Rotation and rounding of activations over a vector type Vec. Included after a simd header.
#pragma once

#include "kernels/quantize/quantize.h"

namespace gemvec::kernels {
namespace {

// Butterflies (a + b, a - b) over strides 1, 2, 4, ... in that order, whatever the vector's length: strides
// inside a vector are Vec::hadamard's.
template <int N>
inline void hadamard(Vec (&v)[N]) {
  for (int i = 0; i < N; ++i) v[i] = Vec::hadamard(v[i]);
#pragma GCC unroll 7
  for (int stride = 1; stride < N; stride *= 2) {
    for (int i = 0; i < N; ++i) {
      if ((i & stride) != 0) continue;
      const Vec a = v[i], b = v[i + stride];
      v[i] = a + b;
      v[i + stride] = a - b;
    }
  }
}

// Groups at a time: of a whole row of 768, so that what must wait for one group's largest number need not
// wait for the other groups'.
constexpr std::size_t kGroupsAtATime = 6;

// `count` groups of N vectors.
template <class Code, bool kRotate, int N>
inline void quantize_groups(const float* x, std::size_t count, Code* codes, RowGroup* groups) {
  constexpr std::size_t kSize = static_cast<std::size_t>(N) * Vec::kLanes;
  alignas(64) float rotated[kGroupsAtATime * kSize];
  Vec tops[kGroupsAtATime];
  for (std::size_t g = 0; g < count; ++g) {
    Vec v[N];
    for (int i = 0; i < N; ++i) v[i] = Vec::load(x + g * kSize + static_cast<std::size_t>(i) * Vec::kLanes);
    if constexpr (kRotate) hadamard(v);
    Vec top = Vec::abs(v[0]);
    for (int i = 1; i < N; ++i) top = Vec::max(top, Vec::abs(v[i]));
    tops[g] = top;
    for (int i = 0; i < N; ++i) v[i].store(rotated + g * kSize + static_cast<std::size_t>(i) * Vec::kLanes);
  }
  float inverses[kGroupsAtATime];
  for (std::size_t g = 0; g < count; ++g) {
    const float highest = Vec::max_lane(tops[g]);
    // Below 1e-30 the inverse would leave the range of fp32; such a group adds nothing to any sum.
    const bool zero = highest < 1e-30F;
    inverses[g] = zero ? 0.0F : kMaxCode / highest;
    groups[g].scale = zero ? 0.0F : highest / kMaxCode;
  }
  for (std::size_t g = 0; g < count; ++g) {
    const Vec inverse = Vec::set(inverses[g]);
    Vec::Codes sum = {};
    for (int i = 0; i < N; ++i) {
      const std::size_t at = g * kSize + static_cast<std::size_t>(i) * Vec::kLanes;
      const auto code = Vec::to_codes(Vec::load(rotated + at) * inverse);
      sum = sum + code;
      code.store(codes + at);
    }
    groups[g].start = kFloatBits - 128 * sum.total();
  }
}

template <class Code, bool kRotate, int N>
inline void quantize_row_of(const float* x, std::size_t n, Code* codes, RowGroup* groups) {
  constexpr std::size_t kSize = static_cast<std::size_t>(N) * Vec::kLanes;
  for (std::size_t left = n / kSize; left > 0;) {
    const std::size_t count = left < kGroupsAtATime ? left : kGroupsAtATime;
    quantize_groups<Code, kRotate, N>(x, count, codes, groups);
    x += count * kSize;
    codes += count * kSize;
    groups += count;
    left -= count;
  }
}

template <class Code, bool kRotate>
inline void quantize_row(const float* x, std::size_t n, std::size_t group, void* codes, RowGroup* groups) {
  constexpr int kLanes = static_cast<int>(Vec::kLanes);
  Code* out = static_cast<Code*>(codes);
  switch (group) {
    case 128:
      return quantize_row_of<Code, kRotate, 128 / kLanes>(x, n, out, groups);
    case 64:
      return quantize_row_of<Code, kRotate, 64 / kLanes>(x, n, out, groups);
    default:
      return quantize_row_of<Code, kRotate, 32 / kLanes>(x, n, out, groups);
  }
}

}  // namespace
}  // namespace gemvec::kernels
