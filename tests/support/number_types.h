// bf16 and f16 for the tests' own use, written from their definitions and independent of the kernels.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace gemvec::testing {

// The upper half of a float, rounded to nearest, ties to even. Not for NaN.
inline std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

inline float from_bf16(std::uint16_t value) { return std::bit_cast<float>(std::uint32_t{value} << 16); }

// Sign, 5 bits of exponent, 10 of fraction; rounded to nearest, ties to even. Not for NaN.
inline std::uint16_t to_f16(float value) {
  const unsigned sign = std::signbit(value) ? 0x8000 : 0;
  const double size = std::fabs(static_cast<double>(value));
  if (size >= 65520) return static_cast<std::uint16_t>(sign | 0x7C00);  // halfway to 2^16 and beyond
  int exponent = 0;
  std::frexp(size, &exponent);
  exponent = exponent - 1 < -14 || size == 0 ? -14 : exponent - 1;  // below 2^-14: subnormal
  const auto steps = static_cast<unsigned>(std::nearbyint(std::ldexp(size, 10 - exponent)));
  // 1024 steps are the hidden one of a normal number, and 2048 carry into the exponent by themselves.
  return static_cast<std::uint16_t>(sign | ((static_cast<unsigned>(exponent + 14) << 10) + steps));
}

inline float from_f16(std::uint16_t value) {
  const int exponent = value >> 10 & 31;
  const int fraction = value & 1023;
  double size = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  if (exponent == 31)
    size = fraction == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  return static_cast<float>((value & 0x8000) != 0 ? -size : size);
}

}  // namespace gemvec::testing
