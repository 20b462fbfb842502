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
    const __m512i low = _mm512_and_si512(_mm512_sub_epi16(_mm512_set1_epi16(128), product), _mm512_set1_epi16(255));
    offset = _mm512_or_si512(low, _mm512_slli_epi16(low, 8));
  }
  // half * sub + 128 - zero * sub = code + 128, modulo 256 in bytes: half * sub <= 225, and the even and the odd
  // bytes of 16 bits are multiplied apart, so that nothing is carried.
  [[nodiscard]] __m512i codes(__m512i halves) const {
    const __m512i even = _mm512_mullo_epi16(_mm512_and_si512(halves, _mm512_set1_epi16(0x000F)), sub);
    const __m512i odd = _mm512_mullo_epi16(_mm512_and_si512(halves, _mm512_set1_epi16(0x0F00)), sub);
    return _mm512_add_epi8(_mm512_or_si512(even, odd), offset);
  }
};

}  // namespace
}  // namespace gemvec::kernels
