// Attention with AVX-512 and its dot products of bf16 and of bytes.
#include "kernels/simd/avx512.h"

#include <cstring>

#include "kernels/attention/attention.h"
#include "kernels/attention/bf16.inl.h"
#include "kernels/gemm_int8/dot_avx512vnni.inl.h"

#include "kernels/attention/int8.inl.h"

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

struct OperandBf16 : Bf16 {
  using RowTiles = EvenRows;
  static constexpr std::size_t kSteps = kPair;

  static void product(std::size_t rows, const ProductArgs<std::uint16_t>& args) {
    multiply_rows<OperandBf16>(rows, args);
  }
  template <int R>
  [[gnu::noinline]] static void multiply(const ProductArgs<std::uint16_t>& args) {
    Rows<std::uint16_t, R> rows(args.a, args.lda);
    Accumulators<R> sums;
    if (args.add) sums.load(args.c, args.ldc);
    const std::uint16_t* b = args.b;
    for (std::size_t p = 0; p < args.k; p += 2, b += 2 * kTileColumns, rows.advance(2)) {
      const __m512bh b0 = as_bf16(_mm512_loadu_si512(b));
      const __m512bh b1 = as_bf16(_mm512_loadu_si512(b + kTileColumns));
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
        const __m512bh pair = broadcast_pair(rows.at(r));
        sums.acc[r][0].v = _mm512_dpbf16_ps(sums.acc[r][0].v, pair, b0);
        sums.acc[r][1].v = _mm512_dpbf16_ps(sums.acc[r][1].v, pair, b1);
      }
    }
    sums.store(args.c, args.ldc);
  }
};

}  // namespace

const AttentionKernels kAttentionAvx512Bf16 = {
    .f32 = &kAttentionKernel<OperandF32>,
    .bf16 = &kAttentionKernel<OperandBf16>,
    .int8 = &kAttentionKernel<OperandBf16, Int8Scores>,
};

}  // namespace gemvec::kernels
