// The vector vocabulary of the generic kernels, for AVX2 with FMA. Included by avx2.cc files only; see
// avx512.h for why everything is in an unnamed namespace.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace gemvec::kernels {
namespace {

struct Vec {
  static constexpr std::size_t kLanes = 8;
  // 16 registers: 6 rows x 2 accumulators, 2 for B, 2 for broadcasts of A. A panel is done in two
  // halves of 16 columns.
  static constexpr int kTileRows = 6;
  static constexpr int kTileRegs = 2;
  __m256 v;

  static Vec zero() { return {_mm256_setzero_ps()}; }
  static Vec set(float x) { return {_mm256_set1_ps(x)}; }
  static Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  void store(float* p) const { _mm256_storeu_ps(p, v); }

  // Of 8 pairs of bf16, the first or the second of each as fp32: a bf16 is the upper half of an fp32.
  static Vec load_bf16_even(const std::uint16_t* p) {
    return {
        _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), 16))};
  }
  static Vec load_bf16_odd(const std::uint16_t* p) {
    return {_mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
                                                 _mm256_set1_epi32(static_cast<int>(0xFFFF0000U))))};
  }

  // v[i] lane j becomes v[j] lane i. Pairs of rows, then of pairs, within halves; then the halves.
  static void transpose(Vec (&v)[kLanes]) {
    __m256 a[8], b[8];
    for (int i = 0; i < 8; i += 2) {
      a[i] = _mm256_unpacklo_ps(v[i].v, v[i + 1].v);
      a[i + 1] = _mm256_unpackhi_ps(v[i].v, v[i + 1].v);
    }
    for (int i = 0; i < 8; i += 4) {
      b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
      b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xEE);
      b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
      b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xEE);
    }
    for (int j = 0; j < 4; ++j) {
      v[j].v = _mm256_permute2f128_ps(b[j], b[4 + j], 0x20);
      v[4 + j].v = _mm256_permute2f128_ps(b[j], b[4 + j], 0x31);
    }
  }

  friend Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
  static Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }  // a * b + c
  static Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
  static Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }

  // Nearest integer, ties to even.
  static Vec round(Vec a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
  // 2^n for an integer-valued n in [-126, 127]: n goes straight into the exponent field.
  static Vec pow2(Vec n) {
    const __m256i bits =
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127)), 23);
    return {_mm256_castsi256_ps(bits)};
  }

  static Vec abs(Vec a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0F), a.v)}; }
  // Butterflies over strides 1, 2 and 4 within the vector. (a, b) becomes (a + b, a - b): the swapped vector
  // plus the vector with every second element, pair or half negated, which rounds like the subtraction.
  static Vec hadamard(Vec a) {
    const __m256 ones = _mm256_setr_ps(0.0F, -0.0F, 0.0F, -0.0F, 0.0F, -0.0F, 0.0F, -0.0F);
    const __m256 pairs = _mm256_setr_ps(0.0F, 0.0F, -0.0F, -0.0F, 0.0F, 0.0F, -0.0F, -0.0F);
    const __m256 halves = _mm256_setr_ps(0.0F, 0.0F, 0.0F, 0.0F, -0.0F, -0.0F, -0.0F, -0.0F);
    __m256 v = a.v;
    v = _mm256_add_ps(_mm256_permute_ps(v, 0xB1), _mm256_xor_ps(v, ones));
    v = _mm256_add_ps(_mm256_permute_ps(v, 0x4E), _mm256_xor_ps(v, pairs));
    v = _mm256_add_ps(_mm256_permute2f128_ps(v, v, 0x01), _mm256_xor_ps(v, halves));
    return {v};
  }
  // Lanes begin .. end - 1 of a; `other` in the rest.
  static Vec keep(Vec a, std::size_t begin, std::size_t end, float other) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i below = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(begin)), lane);
    const __m256i inside = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(end)), lane);
    return {_mm256_blendv_ps(_mm256_set1_ps(other), a.v,
                             _mm256_castsi256_ps(_mm256_andnot_si256(below, inside)))};
  }

  // Lanes added in a fixed order (halves, quarters, ...).
  static float sum(Vec a) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
  }
  static float max_lane(Vec a) {
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
  }

  // kLanes fp32 to bf16, nearest, ties to even. REQUIRES: finite.
  static void store_bf16(Vec a, std::uint16_t* p) {
    const __m256i bits = _mm256_castps_si256(a.v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    const __m256i high = _mm256_srli_epi32(rounded, 16);
    const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), packed);
  }

  // Nearest integers, ties to even, of at most 127 in magnitude where they are stored.
  struct Codes {
    __m256i v;

    friend Codes operator+(Codes a, Codes b) { return {_mm256_add_epi32(a.v, b.v)}; }
    [[nodiscard]] __m128i words() const {
      return _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    }
    void store(std::int16_t* p) const { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), words()); }
    void store(std::int8_t* p) const {
      _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words(), words()));
    }
    [[nodiscard]] std::int32_t total() const {
      __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
      sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
      return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1)));
    }
  };
  static Codes to_codes(Vec a) { return {_mm256_cvtps_epi32(a.v)}; }
};

}  // namespace
}  // namespace gemvec::kernels
