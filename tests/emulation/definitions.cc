#include "emulation/definitions.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace gemvec::emulation {
namespace {

using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

constexpr Numbers kExact = Numbers::kExact;
constexpr Numbers kFloats = Numbers::kFloats;

// Number i of an operand, or of the outcome.
template <class T>
T get(const Operands& o, std::size_t operand, std::size_t i) {
  T value;
  std::memcpy(&value, o.v[operand].data() + i * sizeof(T), sizeof(T));
  return value;
}
template <class T>
void set(Outcome& out, std::size_t i, T value) {
  std::memcpy(out.bytes.data() + i * sizeof(T), &value, sizeof(T));
  out.size = std::max(out.size, (i + 1) * sizeof(T));
}

// out[i] = f(a[i], b[i], c[i]) for as many as `bytes` hold.
template <class T, class F>
auto each(F f, std::size_t bytes = 64) {
  return [=](const Operands& o, Outcome& out) {
    for (std::size_t i = 0; i < bytes / sizeof(T); ++i) {
      set<T>(out, i, f(get<T>(o, 0, i), get<T>(o, 1, i), get<T>(o, 2, i)));
    }
  };
}
// out[i] = To(f(a[i])) for `count` numbers.
template <class From, class To, class F>
auto convert(std::size_t count, F f) {
  return [=](const Operands& o, Outcome& out) {
    for (std::size_t i = 0; i < count; ++i) set<To>(out, i, static_cast<To>(f(get<From>(o, 0, i))));
  };
}
template <class From, class To>
auto convert(std::size_t count) {
  return convert<From, To>(count, [](From x) { return x; });
}
// The 64-bit quarters or halves that make up the outcome: out[i] = operand which[i] / 8, number which[i] % 8.
auto words(std::vector<std::size_t> which) {
  return [=](const Operands& o, Outcome& out) {
    for (std::size_t i = 0; i < which.size(); ++i) set<u64>(out, i, get<u64>(o, which[i] / 8, which[i] % 8));
  };
}
// Where bit i of the mask is set, number i of `from`, else of `otherwise` (3: zero).
template <class T>
auto masked(std::size_t from, std::size_t otherwise) {
  return [=](const Operands& o, Outcome& out) {
    for (std::size_t i = 0; i < 64 / sizeof(T); ++i) {
      const bool chosen = (o.mask >> i & 1U) != 0;
      set<T>(out, i, chosen ? get<T>(o, from, i) : otherwise == 3 ? T{} : get<T>(o, otherwise, i));
    }
  };
}
// Bit i of a 16-bit mask is f(a[i], b[i]).
template <class T, class F>
auto mask_of(F f) {
  return [=](const Operands& o, Outcome& out) {
    unsigned mask = 0;
    for (std::size_t i = 0; i < 16; ++i)
      mask |= static_cast<unsigned>(f(get<T>(o, 0, i), get<T>(o, 1, i))) << i;
    set<u16>(out, 0, static_cast<u16>(mask));
  };
}
// All numbers of a, folded.
template <class T, class F>
auto fold(F f) {
  return [=](const Operands& o, Outcome& out) {
    T result = get<T>(o, 0, 0);
    for (std::size_t i = 1; i < 64 / sizeof(T); ++i) result = f(result, get<T>(o, 0, i));
    set<T>(out, 0, result);
  };
}

template <class To>
To saturate(i64 x) {
  return static_cast<To>(std::clamp<i64>(x, std::numeric_limits<To>::min(), std::numeric_limits<To>::max()));
}
// Within each 16 bytes: the numbers of a, then those of b, saturated to half their size.
template <class From, class To>
auto pack() {
  return [](const Operands& o, Outcome& out) {
    constexpr std::size_t kIn = 16 / sizeof(From);
    for (std::size_t i = 0; i < 64 / sizeof(To); ++i) {
      const std::size_t quarter = i / (2 * kIn), at = i % (2 * kIn);
      set<To>(out, i, saturate<To>(get<From>(o, at / kIn, quarter * kIn + at % kIn)));
    }
  };
}
// Within each 16 bytes: the lower (0) or upper (1) halves of a and b in turn.
template <class T>
auto unpack(std::size_t half) {
  return [=](const Operands& o, Outcome& out) {
    constexpr std::size_t kIn = 16 / sizeof(T);
    for (std::size_t i = 0; i < 64 / sizeof(T); ++i) {
      set<T>(out, i, get<T>(o, i % 2, i / kIn * kIn + half * kIn / 2 + i % kIn / 2));
    }
  };
}

u32 bits_of(float x) { return std::bit_cast<u32>(x); }
float float_of(u32 bits) { return std::bit_cast<float>(bits); }

// To whole numbers; what does not fit becomes the smallest one.
i32 to_int(float rounded) {
  return rounded >= -0x1p31F && rounded < 0x1p31F ? static_cast<i32>(rounded)
                                                  : std::numeric_limits<i32>::min();
}

// The dot product of bf16 pairs: subnormal numbers are zeros on the way in and out; two fused multiply-adds,
// the second pair first.
float flush(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0F, x) : x; }
float bf16(u32 pair, unsigned which) { return flush(float_of(which == 0 ? pair << 16 : pair & 0xFFFF0000U)); }
float dot_bf16(float sum, u32 a, u32 b) {
  sum = flush(std::fma(bf16(a, 1), bf16(b, 1), flush(sum)));
  return flush(std::fma(bf16(a, 0), bf16(b, 0), sum));
}
void dot_bf16_pairs(const Operands& o, Outcome& out) {
  for (std::size_t i = 0; i < 16; ++i)
    set<float>(out, i, dot_bf16(get<float>(o, 0, i), get<u32>(o, 1, i), get<u32>(o, 2, i)));
}
// Sums of a 4 x 4 tile: to the first operand is added, for each row of the second and each column of the
// third, what `dot` makes of four words of either.
template <class T, class Dot>
auto tile_of(Dot dot) {
  return [=](const Operands& o, Outcome& out) {
    for (std::size_t m = 0; m < 4; ++m) {
      for (std::size_t n = 0; n < 4; ++n) {
        std::array<u32, 4> a, b;
        for (std::size_t k = 0; k < 4; ++k) {
          a[k] = get<u32>(o, 1, 4 * m + k);
          b[k] = get<u32>(o, 2, 4 * k + n);
        }
        set<T>(out, 4 * m + n, dot(get<T>(o, 0, 4 * m + n), a, b));
      }
    }
  };
}
// The first and the second of the pairs are summed apart, from 0, and together added to the sum.
float dot_bf16_tile(float sum, const std::array<u32, 4>& a, const std::array<u32, 4>& b) {
  std::array<float, 2> part = {};
  for (std::size_t k = 0; k < 4; ++k) {
    for (unsigned i = 0; i < 2; ++i) part[i] = flush(std::fma(bf16(a[k], i), bf16(b[k], i), part[i]));
  }
  return flush(flush(sum) + flush(part[0] + part[1]));
}
// Nearest, ties to even; subnormal numbers become zeros, NaNs stay NaNs and become quiet.
u16 round_bf16(float x) {
  if (std::isnan(x)) return static_cast<u16>(bits_of(x) >> 16 | 0x40U);
  const double size = std::fabs(static_cast<double>(flush(x)));
  const unsigned sign = std::signbit(x) ? 0x8000U : 0U;
  if (std::isinf(x)) return static_cast<u16>(sign | 0x7F80U);
  if (size == 0) return static_cast<u16>(sign);
  int exponent = 0;
  const double fraction = std::frexp(size, &exponent);  // [0.5, 1): 8 bits of it stay
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8);
  return static_cast<u16>(sign | bits_of(static_cast<float>(rounded)) >> 16);
}

// Four products of an unsigned and a signed byte, added without saturation.
u32 dot_bytes(u32 sum, u32 a, u32 b) {
  for (unsigned i = 0; i < 4; ++i) {
    const i32 product = static_cast<u8>(a >> (8 * i)) * static_cast<i8>(b >> (8 * i));
    sum += static_cast<u32>(product);
  }
  return sum;
}
// Two products of signed halves; the sum of -32768^2 twice wraps.
u32 dot_halves(u32 a, u32 b, u32) {
  const auto product = [](u32 x, u32 y) {
    return static_cast<u32>(static_cast<i16>(x) * static_cast<i16>(y));
  };
  return product(a, b) + product(a >> 16, b >> 16);
}
// Two products of unsigned and signed bytes; the sum is saturated.
u16 dot_two_bytes(u16 a, u16 b, u16) {
  const i32 low = static_cast<u8>(a) * static_cast<i8>(b);
  const i32 high = static_cast<u8>(a >> 8) * static_cast<i8>(b >> 8);
  return static_cast<u16>(saturate<i16>(low + high));
}

void shuffle_bytes(const Operands& o, Outcome& out) {
  for (std::size_t i = 0; i < 64; ++i) {
    const u8 index = get<u8>(o, 1, i);
    set<u8>(out, i, (index & 0x80U) != 0 ? u8{0} : get<u8>(o, 0, i / 16 * 16 + index % 16));
  }
}
void permute(const Operands& o, Outcome& out) {  // indices in a, numbers in b
  for (std::size_t i = 0; i < 16; ++i) set<u32>(out, i, get<u32>(o, 1, get<u32>(o, 0, i) % 16));
}
void reverse_in_quarters(const Operands& o, Outcome& out) {  // 0x1B
  for (std::size_t i = 0; i < 16; ++i) set<u32>(out, i, get<u32>(o, 0, i / 4 * 4 + 3 - i % 4));
}
void round_two_to_bf16(const Operands& o, Outcome& out) {  // b below a
  for (std::size_t i = 0; i < 32; ++i) set<u16>(out, i, round_bf16(get<float>(o, i < 16 ? 1 : 0, i % 16)));
}
void zero_extended(const Operands& o, Outcome& out) {
  for (std::size_t i = 0; i < 8; ++i) set<u64>(out, i, i < 4 ? get<u64>(o, 0, i) : 0);
}
template <class T>
void first_everywhere(const Operands& o, Outcome& out) {
  for (std::size_t i = 0; i < 64 / sizeof(T); ++i) set<T>(out, i, get<T>(o, 0, 0));
}

// 0x8D: in each quarter, words 1 and 3 of a, then 0 and 2 of b.
void shuffle_two(const Operands& o, Outcome& out) {
  for (std::size_t i = 0; i < 16; i += 4) {
    set<u32>(out, i, get<u32>(o, 0, i + 1));
    set<u32>(out, i + 1, get<u32>(o, 0, i + 3));
    set<u32>(out, i + 2, get<u32>(o, 1, i));
    set<u32>(out, i + 3, get<u32>(o, 1, i + 2));
  }
}
void lane_numbers(const Operands&, Outcome& out) {
  for (std::size_t i = 0; i < 16; ++i) set<u32>(out, i, static_cast<u32>(i));
}

// clang-format off: a line each
const std::vector<Definition> kDefinitions = {
    // floats
    {"_mm512_add_ps", kFloats, each<float>([](float a, float b, float) { return a + b; })},
    {"_mm512_sub_ps", kFloats, each<float>([](float a, float b, float) { return a - b; })},
    {"_mm512_mul_ps", kFloats, each<float>([](float a, float b, float) { return a * b; })},
    {"_mm512_div_ps", kFloats, each<float>([](float a, float b, float) { return a / b; })},
    {"_mm512_max_ps", kFloats, each<float>([](float a, float b, float) { return a > b ? a : b; })},
    {"_mm512_min_ps", kFloats, each<float>([](float a, float b, float) { return a < b ? a : b; })},
    {"_mm512_and_ps", kExact, each<u32>([](u32 a, u32 b, u32) { return a & b; })},
    {"_mm512_or_ps", kExact, each<u32>([](u32 a, u32 b, u32) { return a | b; })},
    {"_mm512_xor_ps", kExact, each<u32>([](u32 a, u32 b, u32) { return a ^ b; })},
    {"_mm512_andnot_ps", kExact, each<u32>([](u32 a, u32 b, u32) { return ~a & b; })},
    {"_mm512_fmadd_ps", kFloats, each<float>([](float a, float b, float c) { return std::fma(a, b, c); })},
    {"_mm512_fnmadd_ps", kFloats, each<float>([](float a, float b, float c) { return std::fma(-a, b, c); })},
    {"_mm512_fmsub_ps", kFloats, each<float>([](float a, float b, float c) { return std::fma(a, b, -c); })},
    {"_mm512_sqrt_ps", kFloats, convert<float, float>(16, [](float a) { return std::sqrt(a); })},
    {"_mm512_abs_ps", kExact, convert<u32, u32>(16, [](u32 a) { return a & 0x7FFFFFFFU; })},
    {"_mm512_roundscale_ps", kFloats, convert<float, float>(16, [](float a) { return std::nearbyint(a); })},
    {"_mm512_cmp_ps_mask", kExact, mask_of<float>([](float a, float b) { return a < b; })},
    {"_mm512_mask_blend_ps", kExact, masked<u32>(1, 0)},
    {"_mm512_reduce_max_ps", Numbers::kFinite, fold<float>([](float a, float b) { return a > b ? a : b; })},
    {"_mm512_reduce_min_ps", Numbers::kFinite, fold<float>([](float a, float b) { return a < b ? a : b; })},
    {"_mm512_reduce_add_epi32", kExact, fold<u32>([](u32 a, u32 b) { return a + b; })},
    {"_mm512_shuffle_ps", kExact, shuffle_two},
    {"_mm512_unpacklo_ps", kExact, unpack<u32>(0)},
    {"_mm512_unpackhi_ps", kExact, unpack<u32>(1)},
    // whole numbers
    {"_mm512_setr_epi32", kExact, lane_numbers},
    {"_mm512_srli_epi16", kExact, convert<u16, u16>(32, [](u16 a) { return static_cast<u16>(a >> 4); })},
    {"_mm512_slli_epi16", kExact, convert<u16, u16>(32, [](u16 a) { return static_cast<u16>(a << 4); })},
    {"_mm512_sub_epi16", kExact, each<u16>([](u16 a, u16 b, u16) { return static_cast<u16>(a - b); })},
    {"_mm512_mullo_epi16", kExact, each<u16>([](u16 a, u16 b, u16) { return static_cast<u16>(u32{a} * b); })},
    {"_mm512_add_epi8", kExact, each<u8>([](u8 a, u8 b, u8) { return static_cast<u8>(a + b); })},
    {"_mm512_add_epi32", kExact, each<u32>([](u32 a, u32 b, u32) { return a + b; })},
    {"_mm512_sub_epi32", kExact, each<u32>([](u32 a, u32 b, u32) { return a - b; })},
    {"_mm512_mullo_epi32", kExact, each<u32>([](u32 a, u32 b, u32) { return a * b; })},
    {"_mm512_max_epi32", kExact, each<i32>([](i32 a, i32 b, i32) { return std::max(a, b); })},
    {"_mm512_min_epi32", kExact, each<i32>([](i32 a, i32 b, i32) { return std::min(a, b); })},
    {"_mm512_and_si512", kExact, each<u32>([](u32 a, u32 b, u32) { return a & b; })},
    {"_mm512_or_si512", kExact, each<u32>([](u32 a, u32 b, u32) { return a | b; })},
    {"_mm512_xor_si512", kExact, each<u32>([](u32 a, u32 b, u32) { return a ^ b; })},
    {"_mm512_madd_epi16", kExact, each<u32>(dot_halves)},
    {"_mm512_maddubs_epi16", kExact, each<u16>(dot_two_bytes)},
    {"_mm512_shuffle_epi8", kExact, shuffle_bytes},
    {"_mm512_permutexvar_epi32", kExact, permute},
    {"_mm512_permutexvar_ps", kExact, permute},
    {"_mm512_packs_epi32", kExact, pack<i32, i16>()},
    {"_mm512_packs_epi16", kExact, pack<i16, i8>()},
    {"_mm512_packus_epi16", kExact, pack<i16, u8>()},
    {"_mm512_unpacklo_epi8", kExact, unpack<u8>(0)},
    {"_mm512_unpackhi_epi8", kExact, unpack<u8>(1)},
    {"_mm512_unpacklo_epi16", kExact, unpack<u16>(0)},
    {"_mm512_unpackhi_epi16", kExact, unpack<u16>(1)},
    {"_mm512_unpacklo_epi32", kExact, unpack<u32>(0)},
    {"_mm512_unpackhi_epi32", kExact, unpack<u32>(1)},
    {"_mm512_unpacklo_epi64", kExact, unpack<u64>(0)},
    {"_mm512_unpackhi_epi64", kExact, unpack<u64>(1)},
    {"_mm512_cmplt_epi32_mask", kExact, mask_of<i32>([](i32 a, i32 b) { return a < b; })},
    {"_mm512_slli_epi32", kExact, convert<u32, u32>(16, [](u32 a) { return a << 16; })},
    {"_mm512_srli_epi32", kExact, convert<u32, u32>(16, [](u32 a) { return a >> 16; })},
    {"_mm512_srai_epi32", kExact, convert<i32, i32>(16, [](i32 a) { return a >> 16; })},
    {"_mm512_shuffle_epi32", kExact, reverse_in_quarters},
    {"_mm512_shuffle_f32x4", kExact, words({2, 3, 6, 7, 8, 9, 12, 13})},
    {"_mm512_shuffle_i32x4", kExact, words({2, 3, 6, 7, 8, 9, 12, 13})},
    {"_mm512_dpbusd_epi32", kExact, each<u32>(dot_bytes)},
    {"_mm256_dpbusd_epi32", kExact, each<u32>(dot_bytes, 32)},
    {"_mm256_dpbusd_avx_epi32", kExact, each<u32>(dot_bytes, 32)},
    // tiles
    {"_tile_loadd", kExact, words({0, 1, 2, 3, 4, 5, 6, 7})},
    {"_tile_stored", kExact, words({8, 9, 10, 11, 12, 13, 14, 15})},
    {"_tile_zero", kExact, each<u32>([](u32, u32, u32) { return 0U; })},
    {"_tile_loadconfig", kExact, each<u32>([](u32, u32, u32) { return 0U; })},
    {"_tile_release", kExact, each<u32>([](u32, u32, u32) { return 0U; })},
    {"_tile_dpbsud", kExact, tile_of<u32>([](u32 sum, const auto& a, const auto& b) {
       for (std::size_t k = 0; k < 4; ++k) sum = dot_bytes(sum, b[k], a[k]);
       return sum;
     })},
    {"_tile_dpbf16ps", kFloats, tile_of<float>(dot_bf16_tile)},
    // bf16 and conversions
    {"_mm512_dpbf16_ps", kFloats, dot_bf16_pairs},
    {"_mm512_cvtneps_pbh", kExact, convert<float, u16>(16, round_bf16)},
    {"_mm512_cvtne2ps_pbh", kExact, round_two_to_bf16},
    {"_mm512_cvtps_epi32", kExact,
     convert<float, i32>(16, [](float a) { return to_int(std::nearbyint(a)); })},
    {"_mm512_cvttps_epi32", kExact, convert<float, i32>(16, [](float a) { return to_int(std::trunc(a)); })},
    {"_mm512_cvtepi32_ps", kExact, convert<i32, float>(16)},
    {"_mm512_cvtepi32_epi16", kExact, convert<u32, u16>(16)},
    {"_mm512_cvtepi32_epi8", kExact, convert<u32, u8>(16)},
    {"_mm512_cvtsepi32_epi8", kExact, convert<i32, i8>(16, [](i32 a) { return saturate<i8>(a); })},
    {"_mm512_cvtusepi32_epi8", kExact, convert<u32, u8>(16, [](u32 a) { return saturate<u8>(a); })},
    {"_mm512_cvtepi8_epi32", kExact, convert<i8, i32>(16)},
    {"_mm512_cvtepu8_epi32", kExact, convert<u8, i32>(16)},
    {"_mm512_cvtepi8_epi16", kExact, convert<i8, i16>(32)},
    {"_mm512_cvtepu8_epi16", kExact, convert<u8, i16>(32)},
    {"_mm512_cvtepi16_epi32", kExact, convert<i16, i32>(16)},
    {"_mm512_cvtepu16_epi32", kExact, convert<u16, i32>(16)},
    // parts, copies, memory
    {"_mm512_castps512_ps256", kExact, words({0, 1, 2, 3})},
    {"_mm512_castsi512_si256", kExact, words({0, 1, 2, 3})},
    {"_mm512_castps_si512", kExact, words({0, 1, 2, 3, 4, 5, 6, 7})},
    {"_mm512_castsi512_ps", kExact, words({0, 1, 2, 3, 4, 5, 6, 7})},
    {"_mm512_extractf32x8_ps", kExact, words({4, 5, 6, 7})},
    {"_mm512_extracti32x8_epi32", kExact, words({4, 5, 6, 7})},
    {"_mm512_extracti64x4_epi64", kExact, words({4, 5, 6, 7})},
    {"_mm512_inserti64x4", kExact, words({0, 1, 2, 3, 8, 9, 10, 11})},
    {"_mm512_zextsi256_si512", kExact, zero_extended},
    {"_mm512_broadcast_i32x4", kExact, words({0, 1, 0, 1, 0, 1, 0, 1})},
    {"_mm512_cvtss_f32", kExact, convert<u32, u32>(1)},
    {"_mm512_set1_ps", kExact, first_everywhere<u32>},
    {"_mm512_set1_epi32", kExact, first_everywhere<u32>},
    {"_mm512_set1_epi16", kExact, first_everywhere<u16>},
    {"_mm512_set1_epi8", kExact, first_everywhere<u8>},
    {"_mm512_setzero_ps", kExact, each<u32>([](u32, u32, u32) { return 0U; })},
    {"_mm512_setzero_si512", kExact, each<u32>([](u32, u32, u32) { return 0U; })},
    {"_mm512_loadu_ps", kExact, words({0, 1, 2, 3, 4, 5, 6, 7})},
    {"_mm512_loadu_si512", kExact, words({0, 1, 2, 3, 4, 5, 6, 7})},
    {"_mm512_storeu_ps", kExact, words({0, 1, 2, 3, 4, 5, 6, 7})},
    {"_mm512_storeu_si512", kExact, words({0, 1, 2, 3, 4, 5, 6, 7})},
    {"_mm512_maskz_loadu_ps", kExact, masked<u32>(0, 3)},
    {"_mm512_mask_loadu_ps", kExact, masked<u32>(0, 1)},
    {"_mm512_maskz_loadu_epi32", kExact, masked<u32>(0, 3)},
    {"_mm512_maskz_loadu_epi16", kExact, masked<u16>(0, 3)},
    {"_mm512_maskz_loadu_epi8", kExact, masked<u8>(0, 3)},
    {"_mm512_mask_storeu_ps", kExact, masked<u32>(0, 2)},
    {"_mm512_mask_storeu_epi32", kExact, masked<u32>(0, 2)},
    {"_mm512_mask_storeu_epi16", kExact, masked<u16>(0, 2)},
    {"_mm512_mask_storeu_epi8", kExact, masked<u8>(0, 2)},
};
// clang-format on

}  // namespace

const std::vector<Definition>& definitions() { return kDefinitions; }

}  // namespace gemvec::emulation
