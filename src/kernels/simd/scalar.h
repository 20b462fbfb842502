// The vector vocabulary of the generic kernels with one lane: plain C++, the reference that the other
// instruction sets are compared with, and what runs on a machine without AVX2.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gemvec::kernels {
namespace {

struct Vec {
  static constexpr std::size_t kLanes = 1;
  // 4 rows x 8 columns: the compiler may run the columns of a row four at a time in SSE2 registers, which
  // changes no bit, since each has its own sum.
  static constexpr int kTileRows = 4;
  static constexpr int kTileRegs = 8;
  float v;

  static Vec zero() { return {0.0F}; }
  static Vec set(float x) { return {x}; }
  static Vec load(const float* p) { return {*p}; }
  void store(float* p) const { *p = v; }

  // Of a pair of bf16, the first or the second as fp32: a bf16 is the upper half of an fp32.
  static Vec load_bf16_even(const std::uint16_t* p) {
    const std::uint32_t bits = std::uint32_t{p[0]} << 16U;
    float out;
    std::memcpy(&out, &bits, sizeof(out));
    return {out};
  }
  static Vec load_bf16_odd(const std::uint16_t* p) { return load_bf16_even(p + 1); }

  static void transpose(Vec (&)[kLanes]) {}

  friend Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
  friend Vec operator-(Vec a, Vec b) { return {a.v - b.v}; }
  friend Vec operator*(Vec a, Vec b) { return {a.v * b.v}; }
  friend Vec operator/(Vec a, Vec b) { return {a.v / b.v}; }
  static Vec fma(Vec a, Vec b, Vec c) { return {a.v * b.v + c.v}; }  // two roundings: no FMA in the baseline
  static Vec max(Vec a, Vec b) { return {a.v > b.v ? a.v : b.v}; }
  static Vec min(Vec a, Vec b) { return {a.v < b.v ? a.v : b.v}; }

  // Nearest integer, ties to even. REQUIRES: |a| < 2^22, where adding 1.5 * 2^23 leaves no fraction.
  static Vec round(Vec a) {
    constexpr float kShift = 12582912.0F;  // 1.5 * 2^23
    const volatile float shifted = a.v + kShift;
    return {shifted - kShift};
  }
  // 2^n for an integer-valued n in [-126, 127]: n goes straight into the exponent field.
  static Vec pow2(Vec n) {
    const auto bits = static_cast<std::uint32_t>(static_cast<std::int32_t>(n.v) + 127) << 23;
    float out;
    std::memcpy(&out, &bits, sizeof(out));
    return {out};
  }

  static Vec abs(Vec a) { return {std::fabs(a.v)}; }
  // Butterflies within a vector: there are none in one lane.
  static Vec hadamard(Vec a) { return a; }
  // Lanes begin .. end - 1 of a; `other` in the rest.
  static Vec keep(Vec a, std::size_t begin, std::size_t end, float other) {
    return {begin == 0 && end > 0 ? a.v : other};
  }

  static float sum(Vec a) { return a.v; }
  static float max_lane(Vec a) { return a.v; }

  // fp32 to bf16, nearest, ties to even. REQUIRES: finite.
  static void store_bf16(Vec a, std::uint16_t* p) {
    std::uint32_t bits;
    std::memcpy(&bits, &a.v, sizeof(bits));
    *p = static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
  }

  // The nearest integer, ties to even, of at most 127 in magnitude where it is stored.
  struct Codes {
    std::int32_t v;

    friend Codes operator+(Codes a, Codes b) { return {a.v + b.v}; }
    void store(std::int16_t* p) const { *p = static_cast<std::int16_t>(v); }
    [[nodiscard]] std::int32_t total() const { return v; }
  };
  // Of damaged weights comes a NaN, which no integer is: its group's scale is one too, so any code will do.
  static Codes to_codes(Vec a) {
    const float rounded = round(a).v;
    return {rounded != rounded ? 0 : static_cast<std::int32_t>(rounded)};
  }
};

}  // namespace
}  // namespace gemvec::kernels
