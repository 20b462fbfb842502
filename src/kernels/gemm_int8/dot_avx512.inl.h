// Unpacking of panels with AVX-512. Included after kernels/simd/avx512.h.
#pragma once

#include "kernels/gemm_int8/gemm_int8.h"

namespace gemvec::kernels {
namespace {

// Halves of bytes as int8 codes + 128, for the 16 columns x 4 steps of k in one register.
struct Int4Columns {
  __m512i sub;     // in each 16 bits, of the column
  __m512i offset;  // in each byte: 128 - zero * sub

  explicit Int4Columns(const std::uint8_t* steps) {
    const __m512i wide = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(steps)));
    const __m512i step = _mm512_or_si512(wide, _mm512_slli_epi32(wide, 16));
    sub = _mm512_and_si512(step, _mm512_set1_epi16(15));
    const __m512i product = _mm512_mullo_epi16(_mm512_srli_epi16(step, 4), sub);
    const __m512i low =
        _mm512_and_si512(_mm512_sub_epi16(_mm512_set1_epi16(128), product), _mm512_set1_epi16(255));
    offset = _mm512_or_si512(low, _mm512_slli_epi16(low, 8));
  }
  // half * sub + 128 - zero * sub = code + 128, modulo 256 in bytes: half * sub <= 225, and the even and the
  // odd bytes of 16 bits are multiplied apart, so that nothing is carried.
  [[nodiscard]] __m512i codes(__m512i halves) const {
    const __m512i even = _mm512_mullo_epi16(_mm512_and_si512(halves, _mm512_set1_epi16(0x000F)), sub);
    const __m512i odd = _mm512_mullo_epi16(_mm512_and_si512(halves, _mm512_set1_epi16(0x0F00)), sub);
    return _mm512_add_epi8(_mm512_or_si512(even, odd), offset);
  }
};

// 4 steps of k of 16 columns as int8 codes + 128: `low` has them in the low halves of its bytes, `high` in
// bits 4 and 5; what stands in the other bits does not matter.
inline __m512i join_int6(__m512i low, __m512i high) {
  const __m512i bits = _mm512_or_si512(_mm512_and_si512(low, _mm512_set1_epi8(0x0F)),
                                       _mm512_and_si512(high, _mm512_set1_epi8(0x30)));
  return _mm512_add_epi8(bits, _mm512_set1_epi8(128 - kInt6Zero));
}

// emit(q, codes) for the four quads of steps in 16: low and high are the bytes of one register's columns.
template <class Emit>
inline void unpack_int6(__m512i low0, __m512i low1, __m512i high, Emit&& emit) {
  emit(0, join_int6(low0, _mm512_slli_epi16(high, 4)));
  emit(1, join_int6(_mm512_srli_epi16(low0, 4), _mm512_slli_epi16(high, 2)));
  emit(2, join_int6(low1, high));
  emit(3, join_int6(_mm512_srli_epi16(low1, 4), _mm512_srli_epi16(high, 2)));
}

}  // namespace
}  // namespace gemvec::kernels
