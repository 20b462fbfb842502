// What SIMDe 0.7.4 lacks of AVX-512, AVX512-BF16, AVX512-VNNI and AVX-VNNI. Included by immintrin.h of this
// folder only. emulation_test.cc holds each against a loop that states the instruction's definition.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gemvec::emulation {
namespace {

// A vector as the numbers in it.
template <class T, std::size_t kBytes = 64>
using Lanes = std::array<T, kBytes / sizeof(T)>;
struct FloatHalves {
  __m256 low, high;
};
struct IntHalves {
  __m256i low, high;
};
struct IntQuarters {
  __m128i part[4];
};

template <class T, class Vector>
[[maybe_unused]] Lanes<T, sizeof(Vector)> lanes(Vector v) {
  return std::bit_cast<Lanes<T, sizeof(Vector)>>(v);
}
[[maybe_unused]] __m512 join(__m256 low, __m256 high) {
  return std::bit_cast<__m512>(FloatHalves{low, high});
}
[[maybe_unused]] __m512i join(__m256i low, __m256i high) {
  return std::bit_cast<__m512i>(IntHalves{low, high});
}
[[maybe_unused]] FloatHalves halves(__m512 v) { return std::bit_cast<FloatHalves>(v); }
[[maybe_unused]] IntHalves halves(__m512i v) { return std::bit_cast<IntHalves>(v); }

// --- parts of vectors

[[maybe_unused]] __m256 extract(__m512 a, int part) { return part == 0 ? halves(a).low : halves(a).high; }
[[maybe_unused]] __m256i extract(__m512i a, int part) { return part == 0 ? halves(a).low : halves(a).high; }
[[maybe_unused]] __m512i zero_extend(__m256i a) { return join(a, _mm256_setzero_si256()); }

// Two quarters of a, then two of b, each named by two bits.
[[maybe_unused]] __m512 shuffle_quarters(__m512 a, __m512 b, int which) {
  const auto from_a = std::bit_cast<IntQuarters>(a);
  const auto from_b = std::bit_cast<IntQuarters>(b);
  return std::bit_cast<__m512>(IntQuarters{from_a.part[which & 3], from_a.part[which >> 2 & 3],
                                           from_b.part[which >> 4 & 3], from_b.part[which >> 6 & 3]});
}

// SIMDe's leaves the sign of a NaN.
[[maybe_unused]] __m512 absolute(__m512 a) {
  const __m256 sign = _mm256_set1_ps(-0.0F);
  return join(_mm256_andnot_ps(sign, halves(a).low), _mm256_andnot_ps(sign, halves(a).high));
}

// --- conversions; AVX2 has the same instructions for half of the vector

[[maybe_unused]] __m512i round_to_int(__m512 a) {
  return join(_mm256_cvtps_epi32(halves(a).low), _mm256_cvtps_epi32(halves(a).high));
}
[[maybe_unused]] __m512i truncate_to_int(__m512 a) {
  return join(_mm256_cvttps_epi32(halves(a).low), _mm256_cvttps_epi32(halves(a).high));
}
[[maybe_unused]] __m512 int_to_float(__m512i a) {
  return join(_mm256_cvtepi32_ps(halves(a).low), _mm256_cvtepi32_ps(halves(a).high));
}
[[maybe_unused]] __m128i high_half(__m256i a) { return _mm256_extracti128_si256(a, 1); }
[[maybe_unused]] __m128i upper(__m128i a) { return _mm_unpackhi_epi64(a, a); }
[[maybe_unused]] __m512i widen_i8(__m128i a) {
  return join(_mm256_cvtepi8_epi32(a), _mm256_cvtepi8_epi32(upper(a)));
}
[[maybe_unused]] __m512i widen_u8(__m128i a) {
  return join(_mm256_cvtepu8_epi32(a), _mm256_cvtepu8_epi32(upper(a)));
}
[[maybe_unused]] __m512i widen_u8_to_16(__m256i a) {
  return join(_mm256_cvtepu8_epi16(_mm256_castsi256_si128(a)), _mm256_cvtepu8_epi16(high_half(a)));
}
[[maybe_unused]] __m512i widen_i16(__m256i a) {
  return join(_mm256_cvtepi16_epi32(_mm256_castsi256_si128(a)), _mm256_cvtepi16_epi32(high_half(a)));
}
[[maybe_unused]] __m512i widen_u16(__m256i a) {
  return join(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(a)), _mm256_cvtepu16_epi32(high_half(a)));
}
[[maybe_unused]] __m256i low_16(__m512i a) {
  Lanes<std::uint16_t, 32> out;
  const auto in = lanes<std::uint32_t>(a);
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = static_cast<std::uint16_t>(in[i]);
  return std::bit_cast<__m256i>(out);
}
[[maybe_unused]] __m128i low_8(__m512i a) {
  Lanes<std::uint8_t, 16> out;
  const auto in = lanes<std::uint32_t>(a);
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = static_cast<std::uint8_t>(in[i]);
  return std::bit_cast<__m128i>(out);
}
[[maybe_unused]] __m128i saturate_to_u8(__m512i a) {
  Lanes<std::uint8_t, 16> out;
  const auto in = lanes<std::uint32_t>(a);
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = static_cast<std::uint8_t>(std::min(in[i], 255U));
  return std::bit_cast<__m128i>(out);
}

// --- loads and stores that touch nothing where the mask is 0

template <class T, class Vector>
[[maybe_unused]] Vector load(Vector otherwise, std::uint64_t mask, const void* from) {
  auto out = lanes<T>(otherwise);
  for (std::size_t i = 0; i < out.size(); ++i) {
    if ((mask >> i & 1U) != 0) std::memcpy(&out[i], static_cast<const T*>(from) + i, sizeof(T));
  }
  return std::bit_cast<Vector>(out);
}
template <class T, class Vector>
[[maybe_unused]] void store(void* to, std::uint64_t mask, Vector a) {
  const auto in = lanes<T>(a);
  for (std::size_t i = 0; i < in.size(); ++i) {
    if ((mask >> i & 1U) != 0) std::memcpy(static_cast<T*>(to) + i, &in[i], sizeof(T));
  }
}

// --- whole vectors to one number. There is no _mm512_reduce_add_ps: its order is each compiler's own.

[[maybe_unused]] int sum(__m512i a) {
  unsigned total = 0;
  for (const std::uint32_t x : lanes<std::uint32_t>(a)) total += x;
  return static_cast<int>(total);
}
[[maybe_unused]] float largest(__m512 a) {
  const auto in = lanes<float>(a);
  return *std::max_element(in.begin(), in.end());
}
[[maybe_unused]] float smallest(__m512 a) {
  const auto in = lanes<float>(a);
  return *std::min_element(in.begin(), in.end());
}

// --- whole numbers

[[maybe_unused]] __m512i shift_right_signed(__m512i a, unsigned count) {
  const __m128i n = _mm_cvtsi32_si128(static_cast<int>(count));
  return join(_mm256_sra_epi32(halves(a).low, n), _mm256_sra_epi32(halves(a).high, n));
}
[[maybe_unused]] __m512i shuffle_in_quarters(__m512i a, int which) {
  const auto in = lanes<std::uint32_t>(a);
  Lanes<std::uint32_t> out;
  for (std::size_t i = 0; i < in.size(); ++i) {
    out[i] = in[i / 4 * 4 + (static_cast<unsigned>(which) >> (i % 4 * 2) & 3U)];
  }
  return std::bit_cast<__m512i>(out);
}
[[maybe_unused]] __mmask16 less(__m512i a, __m512i b) {
  const auto x = lanes<std::int32_t>(a);
  const auto y = lanes<std::int32_t>(b);
  unsigned mask = 0;
  for (std::size_t i = 0; i < x.size(); ++i) mask |= static_cast<unsigned>(x[i] < y[i]) << i;
  return static_cast<__mmask16>(mask);
}

// Sums of four products, unsigned bytes of a and signed ones of b, added without saturation. In 16-bit
// halves: maddubs would saturate, while madd's two products of at most 255 * 128 fit its 32 bits.
[[maybe_unused]] __m256i dot_bytes(__m256i sum, __m256i a, __m256i b) {
  const __m256i a_even = _mm256_and_si256(a, _mm256_set1_epi16(0xFF));
  const __m256i a_odd = _mm256_srli_epi16(a, 8);
  const __m256i b_even = _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8);
  const __m256i b_odd = _mm256_srai_epi16(b, 8);
  const __m256i dot = _mm256_add_epi32(_mm256_madd_epi16(a_even, b_even), _mm256_madd_epi16(a_odd, b_odd));
  return _mm256_add_epi32(sum, dot);
}
[[maybe_unused]] __m512i dot_bytes(__m512i sum, __m512i a, __m512i b) {
  return join(dot_bytes(halves(sum).low, halves(a).low, halves(b).low),
              dot_bytes(halves(sum).high, halves(a).high, halves(b).high));
}

// --- bf16

// Subnormal numbers become zeros of their sign, whatever MXCSR says.
[[maybe_unused]] __m256 flush(__m256 a) {
  const __m256 sign = _mm256_set1_ps(-0.0F);
  const __m256 size = _mm256_andnot_ps(sign, a);
  const __m256 normal = _mm256_cmp_ps(size, _mm256_set1_ps(0x1p-126F), _CMP_NLT_UQ);
  return _mm256_and_ps(a, _mm256_or_ps(normal, sign));
}
[[maybe_unused]] __m256 dot_pairs(__m256 sum, __m256i a, __m256i b) {
  const __m256i upper_half = _mm256_set1_epi32(static_cast<int>(0xFFFF0000U));
  const auto even = [](__m256i v) { return flush(_mm256_castsi256_ps(_mm256_slli_epi32(v, 16))); };
  const auto odd = [=](__m256i v) { return flush(_mm256_castsi256_ps(_mm256_and_si256(v, upper_half))); };
  sum = flush(_mm256_fmadd_ps(odd(a), odd(b), flush(sum)));  // the second of a pair comes first
  return flush(_mm256_fmadd_ps(even(a), even(b), sum));
}
[[maybe_unused]] __m512 dot_pairs(__m512 sum, __m512bh a, __m512bh b) {
  const auto x = std::bit_cast<IntHalves>(a);
  const auto y = std::bit_cast<IntHalves>(b);
  return join(dot_pairs(halves(sum).low, x.low, y.low), dot_pairs(halves(sum).high, x.high, y.high));
}
[[maybe_unused]] std::uint16_t to_bf16(std::uint32_t bits) {
  const std::uint32_t exponent = bits >> 23 & 0xFF;
  const auto high = static_cast<std::uint16_t>(bits >> 16);
  if (exponent == 0) return high & 0x8000;
  if (exponent == 0xFF) return (bits & 0x7FFFFF) == 0 ? high : static_cast<std::uint16_t>(high | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
[[maybe_unused]] __m256bh to_bf16(__m512 a) {
  Lanes<std::uint16_t, 32> out;
  const auto in = lanes<std::uint32_t>(a);
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = to_bf16(in[i]);
  return std::bit_cast<__m256bh>(out);
}
[[maybe_unused]] __m512bh to_bf16(__m512 high, __m512 low) {
  return std::bit_cast<__m512bh>(
      IntHalves{std::bit_cast<__m256i>(to_bf16(low)), std::bit_cast<__m256i>(to_bf16(high))});
}

}  // namespace
}  // namespace gemvec::emulation
