// Attention with AVX-512 and its bf16 dot products.
#include "kernels/simd/avx512.h"

#include <cstring>

#include "kernels/attention/attention.h"
#include "kernels/attention/attention.inl.h"

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

struct OperandBf16 {
  using Element = std::uint16_t;
  static constexpr std::size_t kPair = 2;

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

  static const std::uint16_t* in_place(const float*) { return nullptr; }
  static Vec put(Vec x, std::uint16_t* to) {
    const __m256i bits = (__m256i)_mm512_cvtneps_pbh(x.v);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), bits);
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
  }
  static Vec words(const float* x) {
    return {_mm512_castsi512_ps((__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + 16), _mm512_loadu_ps(x)))};
  }
  static Vec join(const float* x, std::size_t stride, std::size_t rows) {
    const __m512i low = rows > 0 ? lanes(x) : _mm512_setzero_si512();
    const __m512i high = rows > 1 ? lanes(x + stride) : _mm512_setzero_si512();
    return {_mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32(high, 16)))};
  }

 private:
  // Each of 16 numbers as bf16 in the low half of its lane.
  static __m512i lanes(const float* x) {
    return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x)));
  }
};

}  // namespace

const AttentionKernels kAttentionAvx512Bf16 = {
    .f32 = &kAttentionKernel<OperandF32>,
    .bf16 = &kAttentionKernel<OperandBf16>,
};

}  // namespace gemvec::kernels
