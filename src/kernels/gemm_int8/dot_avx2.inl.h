// Unpacking of panels with AVX2, for AVX2 itself and for AVX-VNNI. Included after kernels/simd/avx2.h.
#pragma once

#include "kernels/gemm_int8/gemm_int8.h"

namespace gemvec::kernels {
namespace {

inline __m256i load256(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void store256(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

// Halves of bytes as int8 codes + 128, for the 8 columns x 4 steps of k in one register.
struct Int4Columns {
  __m256i sub;     // in each 16 bits, of the column
  __m256i offset;  // in each byte: 128 - zero * sub

  explicit Int4Columns(const std::uint8_t* steps) {
    const __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(steps)));
    const __m256i step = _mm256_or_si256(wide, _mm256_slli_epi32(wide, 16));
    sub = _mm256_and_si256(step, _mm256_set1_epi16(15));
    const __m256i product = _mm256_mullo_epi16(_mm256_srli_epi16(step, 4), sub);
    const __m256i low =
        _mm256_and_si256(_mm256_sub_epi16(_mm256_set1_epi16(128), product), _mm256_set1_epi16(255));
    offset = _mm256_or_si256(low, _mm256_slli_epi16(low, 8));
  }
  // half * sub + 128 - zero * sub = code + 128, modulo 256 in bytes: half * sub <= 225, and the even and the
  // odd bytes of 16 bits are multiplied apart, so that nothing is carried.
  [[nodiscard]] __m256i codes(__m256i halves) const {
    const __m256i even = _mm256_mullo_epi16(_mm256_and_si256(halves, _mm256_set1_epi16(0x000F)), sub);
    const __m256i odd = _mm256_mullo_epi16(_mm256_and_si256(halves, _mm256_set1_epi16(0x0F00)), sub);
    return _mm256_add_epi8(_mm256_or_si256(even, odd), offset);
  }
};

// 4 steps of k of 8 columns, a code + kInt6Zero in each byte: `low` has them in the low halves of its bytes,
// `high` in bits 4 and 5; what stands in the other bits does not matter.
inline __m256i join_int6(__m256i low, __m256i high) {
  return _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi8(0x0F)),
                         _mm256_and_si256(high, _mm256_set1_epi8(0x30)));
}

// emit(q, codes + kInt6Zero) for the four quads of steps in 16: low and high are the bytes of one register's
// columns.
template <class Emit>
inline void unpack_int6(__m256i low0, __m256i low1, __m256i high, Emit&& emit) {
  emit(0, join_int6(low0, _mm256_slli_epi16(high, 4)));
  emit(1, join_int6(_mm256_srli_epi16(low0, 4), _mm256_slli_epi16(high, 2)));
  emit(2, join_int6(low1, high));
  emit(3, join_int6(_mm256_srli_epi16(low1, 4), _mm256_srli_epi16(high, 2)));
}

// A panel's 16 columns from `low` or `codes` on: emit(quad, half, codes) for each four steps of k and each 8
// of the columns.
template <class Emit>
inline void unpack_panel6(const std::byte* low, const std::byte* high, std::size_t k, Emit&& emit) {
  for (std::size_t p = 0; p < k; p += 16, low += 2 * kPanel * 4, high += kPanel * 4) {
    for (std::size_t half = 0; half < 2; ++half) {
      unpack_int6(load256(low + half * 32), load256(low + half * 32 + kPanel * 4), load256(high + half * 32),
                  [&](std::size_t quad, __m256i codes) { emit(p / 4 + quad, half, codes); });
    }
  }
}
template <class Emit>
inline void unpack_panel4(const std::byte* codes, const std::uint8_t* steps, std::size_t k, Emit&& emit) {
  for (std::size_t p = 0; p < k; p += kStepGroup, steps += kPanel) {
    const Int4Columns columns[2] = {Int4Columns(steps), Int4Columns(steps + 8)};
    for (std::size_t q = p; q < p + kStepGroup; q += 8, codes += kPanel * 4) {
      for (std::size_t half = 0; half < 2; ++half) {
        const __m256i bytes = load256(codes + half * 32);
        emit(q / 4, half, columns[half].codes(bytes));
        emit(q / 4 + 1, half, columns[half].codes(_mm256_srli_epi16(bytes, 4)));
      }
    }
  }
}

}  // namespace
}  // namespace gemvec::kernels
