// Number formats of weight files: bf16 and fp16 as 16-bit words, to and from fp32.
#pragma once

#include <bit>
#include <cstdint>

namespace gemvec::base {

// To nearest, ties to even; what is too large becomes infinity, a NaN stays one.
inline std::uint16_t to_bf16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<std::uint16_t>(bits >> 16 | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

inline float from_bf16(std::uint16_t x) { return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16); }

// To nearest, ties to even; what is too large becomes infinity, a NaN stays one.
inline std::uint16_t to_f16(float x) {
  constexpr std::uint32_t kInfinity = 0x7F800000, kTooLarge = 0x477FF000, kSmallestNormal = 0x38800000;
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = bits >> 16 & 0x8000U;
  std::uint32_t size = bits & 0x7FFFFFFFU;
  if (size > kInfinity) return static_cast<std::uint16_t>(sign | 0x7E00U);
  if (size >= kTooLarge) return static_cast<std::uint16_t>(sign | 0x7C00U);  // 65520: halfway to 2^16
  if (size < kSmallestNormal) {
    // Below 2^-14 the steps are 2^-24, and so are those of fp32 just above 0.5: the addition rounds.
    const float steps = std::bit_cast<float>(size) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(steps) - 0x3F000000U));
  }
  size += 0xFFFU + (size >> 13 & 1U) - (112U << 23);  // 112 = 127 - 15; 13 bits of mantissa go
  return static_cast<std::uint16_t>(sign | size >> 13);
}

inline float from_f16(std::uint16_t x) {
  const std::uint32_t sign = static_cast<std::uint32_t>(x & 0x8000U) << 16;
  const std::uint32_t exponent = x >> 10 & 0x1FU;
  const std::uint32_t mantissa = x & 0x3FFU;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | mantissa << 13);
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);  // 112 = 127 - 15
}

}  // namespace gemvec::base
