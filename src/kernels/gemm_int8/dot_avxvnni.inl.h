// Dot products of bytes in 256-bit registers, and unpacking of panels for them: the Dot of tile.inl.h for
// AVX-VNNI. Included after kernels/simd/avx2.h.
#pragma once

#include <cstring>

#include "kernels/gemm_int8/dot_avx2.inl.h"
#include "kernels/gemm_int8/gemm_int8.h"

namespace gemvec::kernels {
namespace {

struct Dot {
  using Code = std::int8_t;
  static constexpr std::size_t kStep = 4, kUnroll = 8;
  static constexpr int kTileRows = 6;
  static constexpr std::size_t kStepBytes = 2 * sizeof(__m256i), kStepBytes8 = kPanel * 4;
  __m256i v;

  static Dot set(std::int32_t n) { return {_mm256_set1_epi32(n)}; }
  static Dot start(std::int32_t n) { return set(n); }
  static Dot load(const std::byte* p) { return {load256(p)}; }
  static Dot broadcast(const Code* p) {
    std::int32_t quad;
    std::memcpy(&quad, p, sizeof(quad));
    return {_mm256_set1_epi32(quad)};
  }
  // The first factor is unsigned: B's codes + 128.
  static Dot dot(Dot sums, Dot a, Dot b) { return {_mm256_dpbusd_avx_epi32(sums.v, b.v, a.v)}; }
  [[nodiscard]] Vec to_float() const { return Vec{_mm256_castsi256_ps(v)} - Vec::set(kFloatZero); }
  static Vec lanes(Vec x) { return x; }
  static void natural(Vec x, Vec y, float* to) {
    x.store(to);
    y.store(to + Vec::kLanes);
  }

  static const std::byte* unpack8(const std::byte* codes, std::size_t, void*) { return codes; }
  static const std::byte* unpack6(const std::byte* low, const std::byte* high, std::size_t k, void* scratch) {
    auto* to = static_cast<std::byte*>(scratch);
    unpack_panel6(low, high, k, [&](std::size_t quad, std::size_t half, __m256i codes) {
      store256(to + quad * kStepBytes + half * 32, _mm256_add_epi8(codes, _mm256_set1_epi8(128 - kInt6Zero)));
    });
    return to;
  }
  static const std::byte* unpack4(const std::byte* codes, const std::uint8_t* steps, std::size_t k,
                                  void* scratch) {
    auto* to = static_cast<std::byte*>(scratch);
    unpack_panel4(codes, steps, k, [&](std::size_t quad, std::size_t half, __m256i bytes) {
      store256(to + quad * kStepBytes + half * 32, bytes);
    });
    return to;
  }
};
using DotInt6 = Dot;

}  // namespace
}  // namespace gemvec::kernels
