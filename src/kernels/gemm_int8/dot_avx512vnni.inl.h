// Dot products of bytes in 512-bit registers, and unpacking of panels for them: the Dot of tile.inl.h, for
// AVX512-VNNI and for AMX, whose tiles take the same operands. Included after kernels/simd/avx512.h.
#pragma once

#include <cstring>

#include "kernels/gemm_int8/dot_avx512.inl.h"
#include "kernels/gemm_int8/gemm_int8.h"

namespace gemvec::kernels {
namespace {

struct Dot {
  using Code = std::int8_t;
  static constexpr std::size_t kStep = 4, kUnroll = 8;
  static constexpr int kTileRows = 6;
  static constexpr std::size_t kStepBytes = 2 * sizeof(__m512i), kStepBytes8 = kPanel * 4;
  __m512i v;

  static Dot set(std::int32_t n) { return {_mm512_set1_epi32(n)}; }
  static Dot start(std::int32_t n) { return set(n); }
  static Dot load(const std::byte* p) { return {_mm512_loadu_si512(p)}; }
  static Dot broadcast(const Code* p) {
    std::int32_t quad;
    std::memcpy(&quad, p, sizeof(quad));
    return {_mm512_set1_epi32(quad)};
  }
  // The first factor is unsigned: B's codes + 128.
  static Dot dot(Dot sums, Dot a, Dot b) { return {_mm512_dpbusd_epi32(sums.v, b.v, a.v)}; }
  [[nodiscard]] Vec to_float() const { return Vec{_mm512_castsi512_ps(v)} - Vec::set(kFloatZero); }
  static Vec lanes(Vec x) { return x; }
  static void natural(Vec x, Vec y, float* to) {
    x.store(to);
    y.store(to + Vec::kLanes);
  }

  static const std::byte* unpack8(const std::byte* codes, std::size_t, void*) { return codes; }
  static const std::byte* unpack6(const std::byte* low, const std::byte* high, std::size_t k, void* scratch) {
    auto* to = static_cast<std::byte*>(scratch);
    for (std::size_t p = 0; p < k; p += 16, low += 2 * kPanel * 4, high += kPanel * 4, to += 512) {
      for (int half = 0; half < 2; ++half) {
        unpack_int6(_mm512_loadu_si512(low + half * 64), _mm512_loadu_si512(low + half * 64 + kPanel * 4),
                    _mm512_loadu_si512(high + half * 64), [&](int quad, __m512i codes) {
                      _mm512_storeu_si512(to + half * 64 + quad * 128, codes);
                    });
      }
    }
    return static_cast<const std::byte*>(scratch);
  }
  static const std::byte* unpack4(const std::byte* codes, const std::uint8_t* steps, std::size_t k,
                                  void* scratch) {
    auto* to = static_cast<std::byte*>(scratch);
    for (std::size_t p = 0; p < k; p += kStepGroup, steps += kPanel) {
      const Int4Columns columns[2] = {Int4Columns(steps), Int4Columns(steps + 16)};
      for (std::size_t q = 0; q < kStepGroup; q += 8, codes += kPanel * 4, to += 256) {
        for (int half = 0; half < 2; ++half) {
          const __m512i bytes = _mm512_loadu_si512(codes + half * 64);
          _mm512_storeu_si512(to + half * 64, columns[half].codes(bytes));
          _mm512_storeu_si512(to + half * 64 + 128, columns[half].codes(_mm512_srli_epi16(bytes, 4)));
        }
      }
    }
    return static_cast<const std::byte*>(scratch);
  }
};
using DotInt6 = Dot;

}  // namespace
}  // namespace gemvec::kernels
