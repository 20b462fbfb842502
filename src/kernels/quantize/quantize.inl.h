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

// One group of N vectors.
template <class Code, bool kRotate, int N>
inline void quantize_group(const float* x, Code* codes, RowGroup* group) {
  Vec v[N];
  for (int i = 0; i < N; ++i) v[i] = Vec::load(x + static_cast<std::size_t>(i) * Vec::kLanes);
  if constexpr (kRotate) hadamard(v);
  Vec top = Vec::abs(v[0]);
  for (int i = 1; i < N; ++i) top = Vec::max(top, Vec::abs(v[i]));
  const float highest = Vec::max_lane(top);
  // Below 1e-30 the inverse would leave the range of fp32; such a group adds nothing to any sum.
  const bool zero = highest < 1e-30F;
  const Vec inverse = Vec::set(zero ? 0.0F : kMaxCode / highest);
  Vec::Codes sum = {};
  for (int i = 0; i < N; ++i) {
    const auto code = Vec::to_codes(v[i] * inverse);
    sum = sum + code;
    code.store(codes + static_cast<std::size_t>(i) * Vec::kLanes);
  }
  group->scale = zero ? 0.0F : highest / kMaxCode;
  group->bias = -128 * sum.total();
}

template <class Code, bool kRotate>
inline void quantize_row(const float* x, std::size_t n, std::size_t group, void* codes, RowGroup* groups) {
  constexpr int kLanes = static_cast<int>(Vec::kLanes);
  Code* out = static_cast<Code*>(codes);
  for (std::size_t i = 0; i < n; i += group, ++groups) {
    switch (group) {
      case 128:
        quantize_group<Code, kRotate, 128 / kLanes>(x + i, out + i, groups);
        break;
      case 64:
        quantize_group<Code, kRotate, 64 / kLanes>(x + i, out + i, groups);
        break;
      default:
        quantize_group<Code, kRotate, 32 / kLanes>(x + i, out + i, groups);
    }
  }
}

}  // namespace
}  // namespace gemvec::kernels
