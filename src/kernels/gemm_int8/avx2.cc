// Int8 matrix products with AVX2.
//
// AVX2's product of bytes, vpmaddubsw, adds two products in 16 bits and saturates: 2 * 255 * 127 does not
// fit. Here codes are widened to 16 bits while a panel is unpacked, and vpmaddwd sums pairs exactly in 32
// bits: two instructions for 16 multiply-adds, where vpmaddubsw, vpmaddwd and vpaddd are three for 32, but
// both are bound by the two multipliers, of which each product of a pair takes one.
#include "kernels/simd/avx2.h"

#include <cstring>

#include "kernels/gemm_int8/dot_avx2.inl.h"
#include "kernels/gemm_int8/gemm_int8.h"

namespace gemvec::kernels {
namespace {

struct Dot {
  using Code = std::int16_t;
  static constexpr std::size_t kStep = 2;
  static constexpr std::size_t kStepBytes8 = 2 * sizeof(__m256i);
  __m256i v;

  static Dot set(std::int32_t n) { return {_mm256_set1_epi32(n)}; }
  static Dot load(const std::byte* p) { return {load256(p)}; }
  static Dot broadcast(const Code* p) {
    std::int32_t pair;
    std::memcpy(&pair, p, sizeof(pair));
    return {_mm256_set1_epi32(pair)};
  }
  static Dot dot(Dot sums, Dot a, Dot b) {
    // Written out, because integer sums may be regrouped and g++ does so: it would hold the products of
    // several steps at once. This way 12 sums, 2 of B, 1 of A and 1 product are exactly the 16 registers.
    __m256i product;
    asm("vpmaddwd %[b], %[a], %[product]\n\tvpaddd %[product], %[sums], %[sums]"
        : [sums] "+x"(sums.v), [product] "=&x"(product)
        : [a] "x"(a.v), [b] "x"(b.v));
    return sums;
  }
  [[nodiscard]] Vec to_float() const { return {_mm256_cvtepi32_ps(v)}; }

  // Unpacked, lanes 0..7 hold columns 0 1 4 5 2 3 6 7: the order that widening in 128-bit halves leaves. It
  // is its own inverse.
  static Vec lanes(Vec x) {
    return {_mm256_permutevar8x32_ps(x.v, _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7))};
  }
  static void natural(Vec x, Vec y, float* to) {
    lanes(x).store(to);
    lanes(y).store(to + Vec::kLanes);
  }

  // 8 columns x 4 steps of bytes to two vectors, steps 0 1 and 2 3, that lie a step's 16 columns apart.
  static void widen(__m128i first, __m128i second, std::int16_t* to) {
    const __m256 low = _mm256_castsi256_ps(_mm256_cvtepu8_epi16(first));
    const __m256 high = _mm256_castsi256_ps(_mm256_cvtepu8_epi16(second));
    store256(to, _mm256_castps_si256(_mm256_shuffle_ps(low, high, 0x88)));
    store256(to + 32, _mm256_castps_si256(_mm256_shuffle_ps(low, high, 0xDD)));
  }
  static const std::byte* unpack8(const std::byte* codes, std::size_t k, void* scratch) {
    auto* to = static_cast<std::int16_t*>(scratch);
    for (std::size_t p = 0; p < k; p += 4, codes += kPanel * 4, to += 64) {
      const auto* from = reinterpret_cast<const __m128i*>(codes);
      widen(_mm_loadu_si128(from), _mm_loadu_si128(from + 1), to);
      widen(_mm_loadu_si128(from + 2), _mm_loadu_si128(from + 3), to + 16);
    }
    return static_cast<const std::byte*>(scratch);
  }
  static const std::byte* unpack6(const std::byte* low, const std::byte* high, std::size_t k, void* scratch) {
    auto* to = static_cast<std::int16_t*>(scratch);
    for (std::size_t p = 0; p < k; p += 16, low += 2 * kPanel * 4, high += kPanel * 4, to += 256) {
      for (int half = 0; half < 2; ++half) {
        unpack_int6(load256(low + half * 32), load256(low + half * 32 + kPanel * 4),
                    load256(high + half * 32), [&](int quad, __m256i codes) {
                      widen(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1),
                            to + half * 16 + quad * 64);
                    });
      }
    }
    return static_cast<const std::byte*>(scratch);
  }
  static const std::byte* unpack4(const std::byte* codes, const std::uint8_t* steps, std::size_t k,
                                  void* scratch) {
    auto* to = static_cast<std::int16_t*>(scratch);
    for (std::size_t p = 0; p < k; p += kStepGroup, steps += kPanel) {
      const Int4Columns columns[2] = {Int4Columns(steps), Int4Columns(steps + 8)};
      for (std::size_t q = 0; q < kStepGroup; q += 8, codes += kPanel * 4, to += 128) {
        for (int half = 0; half < 2; ++half) {
          const __m256i bytes = load256(codes + half * 32);
          const __m256i first = columns[half].codes(bytes);
          const __m256i second = columns[half].codes(_mm256_srli_epi16(bytes, 4));
          widen(_mm256_castsi256_si128(first), _mm256_extracti128_si256(first, 1), to + half * 16);
          widen(_mm256_castsi256_si128(second), _mm256_extracti128_si256(second, 1), to + half * 16 + 64);
        }
      }
    }
    return static_cast<const std::byte*>(scratch);
  }
};

}  // namespace
}  // namespace gemvec::kernels

#include "kernels/gemm_int8/tile.inl.h"

namespace gemvec::kernels {

const GemmInt8Kernels kGemmInt8Avx2 = {
    .code_bytes = sizeof(std::int16_t),
    .int8 = multiply_int8<PanelInt8>,
    .int6 = multiply_int8<PanelInt6>,
    .int4 = multiply_int8<PanelInt4>,
    .peak = peak_int8,
};

}  // namespace gemvec::kernels
