// Int8 matrix products with AVX2.
//
// AVX2's product of bytes, vpmaddubsw, multiplies bytes without a sign by bytes with one, adds two products
// in 16 bits and saturates: 2 * 255 * 127 does not fit. What fits is
//   int8: |weight| * (code of A with the weight's sign): 2 * 127 * 127 = 32258. Four instructions for 32
//         multiply-adds, as with products of 16-bit numbers, but in half the space
//   int6: (weight + 32) * code of A: 2 * 63 * 127 = 16002, and twice that. So products of two steps are
//         added before they are widened: five instructions for 64
#include "kernels/simd/avx2.h"

#include <cstring>

#include "kernels/gemm_int8/dot_avx2.inl.h"
#include "kernels/gemm_int8/gemm_int8.h"

namespace gemvec::kernels {
namespace {

// Sums of 8 columns in 32 bits; what both ways of multiplying have in common.
template <class Self>
struct Sums {
  using Code = std::int8_t;
  // 5 rows x 2 registers of sums, and what a step needs: with 6, ones would have to come from memory for each
  // product, and two loads a cycle would be the limit.
  static constexpr int kTileRows = 5;
  __m256i v;

  static Self set(std::int32_t n) {
    Self to;
    to.v = _mm256_set1_epi32(n);
    return to;
  }
  [[nodiscard]] Vec to_float() const { return {_mm256_cvtepi32_ps(v)}; }
  static Vec lanes(Vec x) { return x; }
  static void natural(Vec x, Vec y, float* to) {
    x.store(to);
    y.store(to + Vec::kLanes);
  }
  static __m256i quad(const Code* p) {
    std::int32_t codes;
    std::memcpy(&codes, p, sizeof(codes));
    return _mm256_set1_epi32(codes);
  }
};

// Unpacked, a step is 4 of k: 16 columns of codes, then 16 of their magnitudes.
struct Dot : Sums<Dot> {
  static constexpr std::size_t kStep = 4, kUnroll = 8;
  static constexpr std::size_t kStepBytes = 128, kStepBytes8 = kStepBytes;
  struct Weights {
    __m256i magnitudes;
    const __m256i* codes;
  };

  static Dot start(std::int32_t) { return set(0); }
  static Weights load(const std::byte* p) { return {load256(p + 64), reinterpret_cast<const __m256i*>(p)}; }
  static __m256i broadcast(const Code* p) { return quad(p); }
  static Dot dot(Dot sums, __m256i a, const Weights& b) {
    // Written out, here and below, because integer sums may be regrouped and g++ does so: it would hold the
    // products of several steps at once, in more registers than there are.
    __m256i product;
    asm("vpsignb %[codes], %[a], %[product]\n\t"
        "vpmaddubsw %[product], %[magnitudes], %[product]\n\t"
        "vpmaddwd %[ones], %[product], %[product]\n\t"
        "vpaddd %[product], %[sums], %[sums]"
        : [sums] "+x"(sums.v), [product] "=&x"(product)
        :
        [a] "x"(a), [codes] "m"(*b.codes), [magnitudes] "x"(b.magnitudes), [ones] "x"(_mm256_set1_epi16(1)));
    return sums;
  }

  static void emit(__m256i codes_128, std::byte* to) {
    const __m256i codes = _mm256_xor_si256(codes_128, _mm256_set1_epi8(-128));
    store256(to, codes);
    store256(to + 64, _mm256_abs_epi8(codes));
  }
  static const std::byte* unpack8(const std::byte* codes, std::size_t k, void* scratch) {
    auto* to = static_cast<std::byte*>(scratch);
    for (std::size_t p = 0; p < k; p += kStep, codes += kPanel * 4, to += kStepBytes) {
      emit(load256(codes), to);
      emit(load256(codes + 32), to + 32);
    }
    return static_cast<const std::byte*>(scratch);
  }
  static const std::byte* unpack4(const std::byte* codes, const std::uint8_t* steps, std::size_t k,
                                  void* scratch) {
    auto* to = static_cast<std::byte*>(scratch);
    unpack_panel4(codes, steps, k, [&](std::size_t quad, std::size_t half, __m256i bytes) {
      emit(bytes, to + quad * kStepBytes + half * 32);
    });
    return to;
  }
};

// Unpacked, a step is 8 of k: 16 columns of codes + kInt6Zero of the first four, then of the others.
struct DotInt6 : Sums<DotInt6> {
  static constexpr std::size_t kStep = 8, kUnroll = 4;
  static constexpr std::size_t kStepBytes = 128;
  struct Row {
    __m256i first, second;
  };

  // RowGroup::start takes back 128 a code, and there are 32 to take back.
  static DotInt6 start(std::int32_t n) { return set((n - kFloatBits) / (128 / kInt6Zero)); }
  static const std::byte* load(const std::byte* p) { return p; }
  static Row broadcast(const Code* p) { return {quad(p), quad(p + 4)}; }
  static DotInt6 dot(DotInt6 sums, const Row& a, const std::byte* b) {
    const __m256i* const codes = reinterpret_cast<const __m256i*>(b);
    __m256i product, second;
    asm("vmovdqa %[codes], %[product]\n\t"
        "vmovdqa %[more], %[second]\n\t"
        "vpmaddubsw %[a], %[product], %[product]\n\t"
        "vpmaddubsw %[b], %[second], %[second]\n\t"
        "vpaddw %[second], %[product], %[product]\n\t"
        "vpmaddwd %[ones], %[product], %[product]\n\t"
        "vpaddd %[product], %[sums], %[sums]"
        : [sums] "+x"(sums.v), [product] "=&x"(product), [second] "=&x"(second)
        : [a] "x"(a.first), [b] "x"(a.second), [codes] "m"(codes[0]), [more] "m"(codes[2]),
          [ones] "x"(_mm256_set1_epi16(1)));
    return sums;
  }

  static const std::byte* unpack6(const std::byte* low, const std::byte* high, std::size_t k, void* scratch) {
    auto* to = static_cast<std::byte*>(scratch);
    unpack_panel6(low, high, k, [&](std::size_t quad, std::size_t half, __m256i codes) {
      store256(to + quad * (kStepBytes / 2) + half * 32, codes);
    });
    return to;
  }
};

}  // namespace
}  // namespace gemvec::kernels

#include "kernels/gemm_int8/tile.inl.h"

namespace gemvec::kernels {
namespace {

// Products of int8 on registers; codes of B come from the level-1 cache as they do in the tile.
double peak(std::size_t iterations, float* sink) {
  constexpr int kChains = Dot::kTileRows * static_cast<int>(kInt8TileRegs);
  alignas(32) std::byte weights[2 * sizeof(__m256i) + 64] = {};
  std::memset(weights, static_cast<int>(*sink), sizeof(weights));
  const Dot::Weights b = Dot::load(weights);
  Dot acc[kChains];  // in registers if all loops over them are unrolled
#pragma GCC unroll 10
  for (int i = 0; i < kChains; ++i) acc[i] = Dot::set(i);
  const __m256i a = _mm256_set1_epi32(static_cast<std::int32_t>(*sink));
  for (std::size_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 10
    for (int i = 0; i < kChains; ++i) acc[i] = Dot::dot(acc[i], a, b);
  }
  Vec total = Vec::zero();
#pragma GCC unroll 10
  for (int i = 0; i < kChains; ++i) total = total + acc[i].to_float();
  *sink = Vec::sum(total);
  return 2.0 * static_cast<double>(iterations) * kChains * static_cast<double>(Vec::kLanes * Dot::kStep);
}

}  // namespace

const GemmInt8Kernels kGemmInt8Avx2 = {
    .code_bytes = sizeof(std::int8_t),
    .int8 = multiply_int8<PanelInt8>,
    .int6 = multiply_int8<PanelInt6>,
    .int4 = multiply_int8<PanelInt4>,
    .peak = peak,
};

}  // namespace gemvec::kernels
