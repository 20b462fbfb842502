// Int8 matrix products with AVX-512 without VNNI: products of codes widened to 16 bits, which vpmaddwd sums
// in pairs exactly. Products of bytes saturate (avx2.cc), and vpsignb, which would help, is there for 256
// bits only.
#include "kernels/simd/avx512.h"

#include <cstring>

#include "kernels/gemm_int8/dot_avx512.inl.h"
#include "kernels/gemm_int8/gemm_int8.h"

namespace gemvec::kernels {
namespace {

struct Dot {
  using Code = std::int16_t;
  static constexpr std::size_t kStep = 2, kUnroll = 8;
  static constexpr int kTileRows = 6;
  static constexpr std::size_t kStepBytes = 2 * sizeof(__m512i), kStepBytes8 = 2 * sizeof(__m512i);
  __m512i v;

  static Dot set(std::int32_t n) { return {_mm512_set1_epi32(n)}; }
  static Dot start(std::int32_t n) { return set(n); }
  static Dot load(const std::byte* p) { return {_mm512_loadu_si512(p)}; }
  static Dot broadcast(const Code* p) {
    std::int32_t pair;
    std::memcpy(&pair, p, sizeof(pair));
    return {_mm512_set1_epi32(pair)};
  }
  static Dot dot(Dot sums, Dot a, Dot b) { return {_mm512_add_epi32(sums.v, _mm512_madd_epi16(a.v, b.v))}; }
  [[nodiscard]] Vec to_float() const { return Vec{_mm512_castsi512_ps(v)} - Vec::set(kFloatZero); }

  // Unpacked, the four lanes of 128-bit part i hold columns 2 i, 2 i + 1, 8 + 2 i, 9 + 2 i: the order that
  // widening in 128-bit parts leaves.
  static Vec lanes(Vec x) {
    const __m512i order = _mm512_setr_epi32(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
    return {_mm512_permutexvar_ps(order, x.v)};
  }
  static void natural(Vec x, Vec y, float* to) {
    const __m512i order = _mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    Vec{_mm512_permutexvar_ps(order, x.v)}.store(to);
    Vec{_mm512_permutexvar_ps(order, y.v)}.store(to + Vec::kLanes);
  }

  // 16 columns x 4 steps of bytes to two vectors, steps 0 1 and 2 3, that lie a step's 32 columns apart.
  static void widen(__m256i first, __m256i second, std::int16_t* to) {
    const __m512 low = _mm512_castsi512_ps(_mm512_cvtepu8_epi16(first));
    const __m512 high = _mm512_castsi512_ps(_mm512_cvtepu8_epi16(second));
    _mm512_storeu_si512(to, _mm512_castps_si512(_mm512_shuffle_ps(low, high, 0x88)));
    _mm512_storeu_si512(to + 64, _mm512_castps_si512(_mm512_shuffle_ps(low, high, 0xDD)));
  }
  static const std::byte* unpack8(const std::byte* codes, std::size_t k, void* scratch) {
    auto* to = static_cast<std::int16_t*>(scratch);
    for (std::size_t p = 0; p < k; p += 4, codes += kPanel * 4, to += 128) {
      const auto* from = reinterpret_cast<const __m256i*>(codes);
      widen(_mm256_loadu_si256(from), _mm256_loadu_si256(from + 1), to);
      widen(_mm256_loadu_si256(from + 2), _mm256_loadu_si256(from + 3), to + 32);
    }
    return static_cast<const std::byte*>(scratch);
  }
  static const std::byte* unpack6(const std::byte* low, const std::byte* high, std::size_t k, void* scratch) {
    auto* to = static_cast<std::int16_t*>(scratch);
    for (std::size_t p = 0; p < k; p += 16, low += 2 * kPanel * 4, high += kPanel * 4, to += 512) {
      for (int half = 0; half < 2; ++half) {
        unpack_int6(_mm512_loadu_si512(low + half * 64), _mm512_loadu_si512(low + half * 64 + kPanel * 4),
                    _mm512_loadu_si512(high + half * 64), [&](int quad, __m512i codes) {
                      widen(_mm512_castsi512_si256(codes), _mm512_extracti64x4_epi64(codes, 1),
                            to + half * 32 + quad * 128);
                    });
      }
    }
    return static_cast<const std::byte*>(scratch);
  }
  static const std::byte* unpack4(const std::byte* codes, const std::uint8_t* steps, std::size_t k,
                                  void* scratch) {
    auto* to = static_cast<std::int16_t*>(scratch);
    for (std::size_t p = 0; p < k; p += kStepGroup, steps += kPanel) {
      const Int4Columns columns[2] = {Int4Columns(steps), Int4Columns(steps + 16)};
      for (std::size_t q = 0; q < kStepGroup; q += 8, codes += kPanel * 4, to += 256) {
        for (int half = 0; half < 2; ++half) {
          const __m512i bytes = _mm512_loadu_si512(codes + half * 64);
          const __m512i first = columns[half].codes(bytes);
          const __m512i second = columns[half].codes(_mm512_srli_epi16(bytes, 4));
          widen(_mm512_castsi512_si256(first), _mm512_extracti64x4_epi64(first, 1), to + half * 32);
          widen(_mm512_castsi512_si256(second), _mm512_extracti64x4_epi64(second, 1), to + half * 32 + 128);
        }
      }
    }
    return static_cast<const std::byte*>(scratch);
  }
};
using DotInt6 = Dot;

}  // namespace
}  // namespace gemvec::kernels

#include "kernels/gemm_int8/tile.inl.h"

namespace gemvec::kernels {

const GemmInt8Kernels kGemmInt8Avx512 = {
    .code_bytes = sizeof(std::int16_t),
    .int8 = multiply_int8<PanelInt8>,
    .int6 = multiply_int8<PanelInt6>,
    .int4 = multiply_int8<PanelInt4>,
    .peak = peak_int8<Dot>,
};

}  // namespace gemvec::kernels
