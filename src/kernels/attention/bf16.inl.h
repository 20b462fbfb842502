// fp32 numbers as operands of bf16 products, for the instruction sets that convert in hardware. Included
// after attention.inl.h by avx512bf16.cc and amx.cc.
#pragma once

#include <cstdint>

#include "kernels/attention/attention.inl.h"

namespace gemvec::kernels {
namespace {

struct Bf16 {
  using Element = std::uint16_t;
  static constexpr std::size_t kPair = 2;

  static const std::uint16_t* in_place(const float*) { return nullptr; }
  static Vec put(Vec x, std::uint16_t* to) {
    const __m256i bits = (__m256i)_mm512_cvtneps_pbh(x.v);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), bits);
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
  }
  static Vec words(const float* x) {
    return {_mm512_castsi512_ps((__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + 16), _mm512_loadu_ps(x)))};
  }
  static Vec join(const float* x, std::size_t stride, std::size_t rows) {
    const __m512i low = rows > 0 ? lanes(x) : _mm512_setzero_si512();
    const __m512i high = rows > 1 ? lanes(x + stride) : _mm512_setzero_si512();
    return {_mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32(high, 16)))};
  }

 private:
  // Each of 16 numbers as bf16 in the low half of its lane.
  static __m512i lanes(const float* x) {
    return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x)));
  }
};

}  // namespace
}  // namespace gemvec::kernels
