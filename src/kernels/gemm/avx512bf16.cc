// Matrix products with AVX-512 and its bf16 dot products.
#include "kernels/simd/avx512.h"

#include <cstring>

#include "kernels/gemm/gemm.h"
#include "kernels/gemm/tile.inl.h"

namespace gemvec::kernels {
namespace {

// A vector cast is spelt the C way: the only spelling that both compilers take.
__m512bh as_bf16(__m512i bits) { return (__m512bh)bits; }

// A pair (k, k + 1) of one row of A, in every lane.
__m512bh broadcast_pair(const std::uint16_t* pair) {
  std::int32_t bits;
  std::memcpy(&bits, pair, sizeof(bits));
  return as_bf16(_mm512_set1_epi32(bits));
}

template <int R>
struct TileBf16 {
  using A = std::uint16_t;
  using B = std::uint16_t;
  // C[R, kTileColumns] = A[R, k] * B[k, kTileColumns], two steps of k at a time.
  static void run(const std::uint16_t* a, std::size_t lda, const std::uint16_t* b, float* c, std::size_t ldc,
                  std::size_t k, const Ahead& next) {
    Rows<std::uint16_t, R> rows(a, lda);
    Accumulators<R> sums;
    const char* ahead = next.at();
    const std::size_t ahead_step = next.step();
    for (std::size_t p = 0; p < k; p += 2, b += 2 * kPanel, rows.advance(2), ahead += ahead_step) {
      Ahead::ask(ahead);
      const __m512bh b0 = as_bf16(_mm512_loadu_si512(b));
      const __m512bh b1 = as_bf16(_mm512_loadu_si512(b + kPanel));
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
        const __m512bh pair = broadcast_pair(rows.at(r));
        sums.acc[r][0].v = _mm512_dpbf16_ps(sums.acc[r][0].v, pair, b0);
        sums.acc[r][1].v = _mm512_dpbf16_ps(sums.acc[r][1].v, pair, b1);
      }
    }
    sums.store(c, ldc);
  }
};

double peak_dot(std::size_t iterations, float* sink) {
  constexpr int kChains = Vec::kTileRows * Vec::kTileRegs;
  Vec acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = Vec::zero();
  std::uint16_t pair[2] = {0x3F80, 0x3F80};  // 1.0, 1.0
  const __m512bh a = broadcast_pair(pair);
  for (std::size_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 24
    for (int i = 0; i < kChains; ++i) acc[i].v = _mm512_dpbf16_ps(acc[i].v, a, a);
  }
  Vec total = Vec::zero();
  for (int i = 0; i < kChains; ++i) total = total + acc[i];
  *sink = Vec::sum(total);
  return 4.0 * static_cast<double>(iterations) * kChains * static_cast<double>(Vec::kLanes);
}

}  // namespace

const GemmKernels kGemmAvx512Bf16 = {
    .f32 = multiply<TileF32, Vec::kTileRows>,
    .bf16_wide = multiply<TileBf16Wide, Vec::kTileRows>,
    .bf16 = multiply<TileBf16, Vec::kTileRows>,
    .peak_f32 = peak_fma,
    .peak_bf16 = peak_dot,
};

}  // namespace gemvec::kernels
