// The vector vocabulary of the generic kernels, for AVX-512. Included by avx512*.cc files only, which
// are compiled with the flags; everything is in an unnamed namespace, so that no AVX-512 copy of a
// function can be picked by the linker for other code.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace gemvec::kernels {
namespace {

struct Vec {
  static constexpr std::size_t kLanes = 16;
  static constexpr int kTileRows = 12;  // 12 rows x 2 registers of accumulators, see gemm.h
  static constexpr int kTileRegs = 2;
  __m512 v;

  static Vec zero() { return {_mm512_setzero_ps()}; }
  static Vec set(float x) { return {_mm512_set1_ps(x)}; }
  static Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  void store(float* p) const { _mm512_storeu_ps(p, v); }

  // Of 16 pairs of bf16, the first or the second of each as fp32: a bf16 is the upper half of an fp32.
  static Vec load_bf16_even(const std::uint16_t* p) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16))};
  }
  static Vec load_bf16_odd(const std::uint16_t* p) {
    return {_mm512_castsi512_ps(
        _mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi32(static_cast<int>(0xFFFF0000U))))};
  }

  friend Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
  static Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }  // a * b + c
  static Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
  static Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }

  // Nearest integer, ties to even.
  static Vec round(Vec a) {
    return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  // 2^n for an integer-valued n in [-126, 127]: n goes straight into the exponent field.
  static Vec pow2(Vec n) {
    const __m512i bits =
        _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127)), 23);
    return {_mm512_castsi512_ps(bits)};
  }

  static Vec abs(Vec a) { return {_mm512_abs_ps(a.v)}; }
  // Butterflies over strides 1, 2, 4 and 8 within the vector. (a, b) becomes (a + b, a - b): the swapped
  // vector plus the vector with every second element, pair, quarter or half times -1, which rounds like the
  // addition and the subtraction.
  static Vec hadamard(Vec a) {
    const auto add = [](__m512 swapped, __m512 v, __mmask16 negated) {
      const __m512 signs = _mm512_mask_blend_ps(negated, _mm512_set1_ps(1.0F), _mm512_set1_ps(-1.0F));
      return _mm512_fmadd_ps(v, signs, swapped);
    };
    __m512 v = a.v;
    v = add(_mm512_shuffle_ps(v, v, 0xB1), v, 0xAAAA);
    v = add(_mm512_shuffle_ps(v, v, 0x4E), v, 0xCCCC);
    v = add(_mm512_shuffle_f32x4(v, v, 0xB1), v, 0xF0F0);
    v = add(_mm512_shuffle_f32x4(v, v, 0x4E), v, 0xFF00);
    return {v};
  }
  // v[i] lane j becomes v[j] lane i. Pairs of rows, then of pairs, within quarters; then the quarters.
  static void transpose(Vec (&v)[kLanes]) {
    __m512 a[16], b[16];
    for (int i = 0; i < 16; i += 2) {
      a[i] = _mm512_unpacklo_ps(v[i].v, v[i + 1].v);
      a[i + 1] = _mm512_unpackhi_ps(v[i].v, v[i + 1].v);
    }
    for (int i = 0; i < 16; i += 4) {
      b[i] = _mm512_shuffle_ps(a[i], a[i + 2], 0x44);
      b[i + 1] = _mm512_shuffle_ps(a[i], a[i + 2], 0xEE);
      b[i + 2] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0x44);
      b[i + 3] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0xEE);
    }
    // b[4 q + j]: of rows 4 q .. 4 q + 3, columns j, j + 4, j + 8 and j + 12 in the quarters.
    for (int j = 0; j < 4; ++j) {
      const __m512 even01 = _mm512_shuffle_f32x4(b[j], b[4 + j], 0x88);
      const __m512 odd01 = _mm512_shuffle_f32x4(b[j], b[4 + j], 0xDD);
      const __m512 even23 = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], 0x88);
      const __m512 odd23 = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], 0xDD);
      v[j].v = _mm512_shuffle_f32x4(even01, even23, 0x88);
      v[4 + j].v = _mm512_shuffle_f32x4(odd01, odd23, 0x88);
      v[8 + j].v = _mm512_shuffle_f32x4(even01, even23, 0xDD);
      v[12 + j].v = _mm512_shuffle_f32x4(odd01, odd23, 0xDD);
    }
  }
  // Lanes begin .. end - 1 of a; `other` in the rest.
  static Vec keep(Vec a, std::size_t begin, std::size_t end, float other) {
    const unsigned mask = ((1U << end) - 1U) & ~((1U << begin) - 1U);
    return {_mm512_mask_blend_ps(static_cast<__mmask16>(mask), _mm512_set1_ps(other), a.v)};
  }

  // Lanes added in a fixed order (halves, quarters, ...).
  static float sum(Vec a) {
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
    __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    quarter = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
    return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
  }
  static float max_lane(Vec a) {
    const __m256 half = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
    __m128 quarter = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    quarter = _mm_max_ps(quarter, _mm_movehl_ps(quarter, quarter));
    return _mm_cvtss_f32(_mm_max_ss(quarter, _mm_movehdup_ps(quarter)));
  }

  // kLanes fp32 to bf16, nearest, ties to even. REQUIRES: finite.
  static void store_bf16(Vec a, std::uint16_t* p) {
    const __m512i bits = _mm512_castps_si512(a.v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
  }

  // Nearest integers, ties to even, of at most 127 in magnitude where they are stored.
  struct Codes {
    __m512i v;

    friend Codes operator+(Codes a, Codes b) { return {_mm512_add_epi32(a.v, b.v)}; }
    void store(std::int16_t* p) const {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(v));
    }
    void store(std::int8_t* p) const {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(v));
    }
    [[nodiscard]] std::int32_t total() const { return _mm512_reduce_add_epi32(v); }
  };
  static Codes to_codes(Vec a) { return {_mm512_cvtps_epi32(a.v)}; }
};

}  // namespace
}  // namespace gemvec::kernels
