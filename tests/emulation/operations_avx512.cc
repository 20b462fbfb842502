// One AVX-512 instruction a line. Compiled twice: operations.h.
#include <immintrin.h>

#include <cstring>
#include <iterator>

#include "emulation/operations.h"

namespace gemvec::emulation {
namespace {

template <class Vector>
Vector get(const Operands& o, std::size_t i) {
  Vector v;
  std::memcpy(&v, o.v[i].data(), sizeof(v));
  return v;
}
__m512 ps(const Operands& o, std::size_t i) { return get<__m512>(o, i); }
__m512i si(const Operands& o, std::size_t i) { return get<__m512i>(o, i); }
__m512bh bh(const Operands& o, std::size_t i) { return (__m512bh)get<__m512i>(o, i); }
__m256i si256(const Operands& o, std::size_t i) { return get<__m256i>(o, i); }
__m128i si128(const Operands& o, std::size_t i) { return get<__m128i>(o, i); }
int first(const Operands& o) { return get<int>(o, 0); }
const void* memory(const Operands& o) { return o.v[0].data(); }

template <class Result>
void put(Outcome& out, const Result& result) {
  static_assert(sizeof(Result) <= sizeof(out.bytes));
  std::memcpy(out.bytes.data(), &result, sizeof(result));
  out.size = sizeof(result);
}

#define OPERATION(name, result)                                                       \
  {                                                                                   \
#name, []([[maybe_unused]] const Operands& o, Outcome& out) { put(out, result); } \
  }
// What a store leaves in memory that held c.
#define STORE(name, ...)                                        \
  {                                                             \
#name, []([[maybe_unused]] const Operands& o, Outcome& out) { \
      auto bytes = o.v[2];                       \
      void* to = bytes.data();                   \
      name(to, __VA_ARGS__);                     \
      put(out, bytes);                           \
    } \
  }

constexpr Operation kList[] = {
    // clang-format off: a line each
    OPERATION(_mm512_add_ps, _mm512_add_ps(ps(o, 0), ps(o, 1))),
    OPERATION(_mm512_sub_ps, _mm512_sub_ps(ps(o, 0), ps(o, 1))),
    OPERATION(_mm512_mul_ps, _mm512_mul_ps(ps(o, 0), ps(o, 1))),
    OPERATION(_mm512_div_ps, _mm512_div_ps(ps(o, 0), ps(o, 1))),
    OPERATION(_mm512_max_ps, _mm512_max_ps(ps(o, 0), ps(o, 1))),
    OPERATION(_mm512_min_ps, _mm512_min_ps(ps(o, 0), ps(o, 1))),
    OPERATION(_mm512_and_ps, _mm512_and_ps(ps(o, 0), ps(o, 1))),
    OPERATION(_mm512_or_ps, _mm512_or_ps(ps(o, 0), ps(o, 1))),
    OPERATION(_mm512_xor_ps, _mm512_xor_ps(ps(o, 0), ps(o, 1))),
    OPERATION(_mm512_andnot_ps, _mm512_andnot_ps(ps(o, 0), ps(o, 1))),
    OPERATION(_mm512_fmadd_ps, _mm512_fmadd_ps(ps(o, 0), ps(o, 1), ps(o, 2))),
    OPERATION(_mm512_fnmadd_ps, _mm512_fnmadd_ps(ps(o, 0), ps(o, 1), ps(o, 2))),
    OPERATION(_mm512_fmsub_ps, _mm512_fmsub_ps(ps(o, 0), ps(o, 1), ps(o, 2))),
    OPERATION(_mm512_sqrt_ps, _mm512_sqrt_ps(ps(o, 0))), OPERATION(_mm512_abs_ps, _mm512_abs_ps(ps(o, 0))),
    OPERATION(_mm512_roundscale_ps,
              _mm512_roundscale_ps(ps(o, 0), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)),
    OPERATION(_mm512_cmp_ps_mask, _mm512_cmp_ps_mask(ps(o, 0), ps(o, 1), _CMP_LT_OQ)),
    OPERATION(_mm512_mask_blend_ps, _mm512_mask_blend_ps(static_cast<__mmask16>(o.mask), ps(o, 0), ps(o, 1))),
    OPERATION(_mm512_reduce_max_ps, _mm512_reduce_max_ps(ps(o, 0))),
    OPERATION(_mm512_reduce_min_ps, _mm512_reduce_min_ps(ps(o, 0))),
    OPERATION(_mm512_reduce_add_epi32, _mm512_reduce_add_epi32(si(o, 0))),
    OPERATION(_mm512_shuffle_ps, _mm512_shuffle_ps(ps(o, 0), ps(o, 1), 0x8D)),
    OPERATION(_mm512_unpacklo_ps, _mm512_unpacklo_ps(ps(o, 0), ps(o, 1))),
    OPERATION(_mm512_unpackhi_ps, _mm512_unpackhi_ps(ps(o, 0), ps(o, 1))),
    // whole numbers
    OPERATION(_mm512_setr_epi32, _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)),
    OPERATION(_mm512_srli_epi16, _mm512_srli_epi16(si(o, 0), 4)),
    OPERATION(_mm512_slli_epi16, _mm512_slli_epi16(si(o, 0), 4)),
    OPERATION(_mm512_sub_epi16, _mm512_sub_epi16(si(o, 0), si(o, 1))),
    OPERATION(_mm512_mullo_epi16, _mm512_mullo_epi16(si(o, 0), si(o, 1))),
    OPERATION(_mm512_add_epi8, _mm512_add_epi8(si(o, 0), si(o, 1))),
    OPERATION(_mm512_add_epi32, _mm512_add_epi32(si(o, 0), si(o, 1))),
    OPERATION(_mm512_sub_epi32, _mm512_sub_epi32(si(o, 0), si(o, 1))),
    OPERATION(_mm512_mullo_epi32, _mm512_mullo_epi32(si(o, 0), si(o, 1))),
    OPERATION(_mm512_max_epi32, _mm512_max_epi32(si(o, 0), si(o, 1))),
    OPERATION(_mm512_min_epi32, _mm512_min_epi32(si(o, 0), si(o, 1))),
    OPERATION(_mm512_and_si512, _mm512_and_si512(si(o, 0), si(o, 1))),
    OPERATION(_mm512_or_si512, _mm512_or_si512(si(o, 0), si(o, 1))),
    OPERATION(_mm512_xor_si512, _mm512_xor_si512(si(o, 0), si(o, 1))),
    OPERATION(_mm512_madd_epi16, _mm512_madd_epi16(si(o, 0), si(o, 1))),
    OPERATION(_mm512_maddubs_epi16, _mm512_maddubs_epi16(si(o, 0), si(o, 1))),
    OPERATION(_mm512_shuffle_epi8, _mm512_shuffle_epi8(si(o, 0), si(o, 1))),
    OPERATION(_mm512_packs_epi32, _mm512_packs_epi32(si(o, 0), si(o, 1))),
    OPERATION(_mm512_packs_epi16, _mm512_packs_epi16(si(o, 0), si(o, 1))),
    OPERATION(_mm512_packus_epi16, _mm512_packus_epi16(si(o, 0), si(o, 1))),
    OPERATION(_mm512_permutexvar_epi32, _mm512_permutexvar_epi32(si(o, 0), si(o, 1))),
    OPERATION(_mm512_unpacklo_epi8, _mm512_unpacklo_epi8(si(o, 0), si(o, 1))),
    OPERATION(_mm512_unpackhi_epi8, _mm512_unpackhi_epi8(si(o, 0), si(o, 1))),
    OPERATION(_mm512_unpacklo_epi16, _mm512_unpacklo_epi16(si(o, 0), si(o, 1))),
    OPERATION(_mm512_unpackhi_epi16, _mm512_unpackhi_epi16(si(o, 0), si(o, 1))),
    OPERATION(_mm512_unpacklo_epi32, _mm512_unpacklo_epi32(si(o, 0), si(o, 1))),
    OPERATION(_mm512_unpackhi_epi32, _mm512_unpackhi_epi32(si(o, 0), si(o, 1))),
    OPERATION(_mm512_unpacklo_epi64, _mm512_unpacklo_epi64(si(o, 0), si(o, 1))),
    OPERATION(_mm512_unpackhi_epi64, _mm512_unpackhi_epi64(si(o, 0), si(o, 1))),
    OPERATION(_mm512_cmplt_epi32_mask, _mm512_cmplt_epi32_mask(si(o, 0), si(o, 1))),
    OPERATION(_mm512_permutexvar_ps, _mm512_permutexvar_ps(si(o, 0), ps(o, 1))),
    OPERATION(_mm512_slli_epi32, _mm512_slli_epi32(si(o, 0), 16)),
    OPERATION(_mm512_srli_epi32, _mm512_srli_epi32(si(o, 0), 16)),
    OPERATION(_mm512_srai_epi32, _mm512_srai_epi32(si(o, 0), 16)),
    OPERATION(_mm512_shuffle_epi32, _mm512_shuffle_epi32(si(o, 0), static_cast<_MM_PERM_ENUM>(0x1B))),
    OPERATION(_mm512_shuffle_f32x4, _mm512_shuffle_f32x4(ps(o, 0), ps(o, 1), 0x8D)),
    OPERATION(_mm512_shuffle_i32x4, _mm512_shuffle_i32x4(si(o, 0), si(o, 1), 0x8D)),
    // dot products and bf16
    OPERATION(_mm512_dpbusd_epi32, _mm512_dpbusd_epi32(si(o, 0), si(o, 1), si(o, 2))),
    OPERATION(_mm256_dpbusd_epi32, _mm256_dpbusd_epi32(si256(o, 0), si256(o, 1), si256(o, 2))),
    OPERATION(_mm512_dpbf16_ps, _mm512_dpbf16_ps(ps(o, 0), bh(o, 1), bh(o, 2))),
    OPERATION(_mm512_cvtneps_pbh, _mm512_cvtneps_pbh(ps(o, 0))),
    OPERATION(_mm512_cvtne2ps_pbh, _mm512_cvtne2ps_pbh(ps(o, 0), ps(o, 1))),
    // conversions
    OPERATION(_mm512_cvtps_epi32, _mm512_cvtps_epi32(ps(o, 0))),
    OPERATION(_mm512_cvttps_epi32, _mm512_cvttps_epi32(ps(o, 0))),
    OPERATION(_mm512_cvtepi32_ps, _mm512_cvtepi32_ps(si(o, 0))),
    OPERATION(_mm512_cvtepi32_epi16, _mm512_cvtepi32_epi16(si(o, 0))),
    OPERATION(_mm512_cvtepi32_epi8, _mm512_cvtepi32_epi8(si(o, 0))),
    OPERATION(_mm512_cvtsepi32_epi8, _mm512_cvtsepi32_epi8(si(o, 0))),
    OPERATION(_mm512_cvtusepi32_epi8, _mm512_cvtusepi32_epi8(si(o, 0))),
    OPERATION(_mm512_cvtepi8_epi32, _mm512_cvtepi8_epi32(si128(o, 0))),
    OPERATION(_mm512_cvtepu8_epi32, _mm512_cvtepu8_epi32(si128(o, 0))),
    OPERATION(_mm512_cvtepi8_epi16, _mm512_cvtepi8_epi16(si256(o, 0))),
    OPERATION(_mm512_cvtepu8_epi16, _mm512_cvtepu8_epi16(si256(o, 0))),
    OPERATION(_mm512_cvtepi16_epi32, _mm512_cvtepi16_epi32(si256(o, 0))),
    OPERATION(_mm512_cvtepu16_epi32, _mm512_cvtepu16_epi32(si256(o, 0))),
    // parts, copies, memory
    OPERATION(_mm512_castps512_ps256, _mm512_castps512_ps256(ps(o, 0))),
    OPERATION(_mm512_castsi512_si256, _mm512_castsi512_si256(si(o, 0))),
    OPERATION(_mm512_castps_si512, _mm512_castps_si512(ps(o, 0))),
    OPERATION(_mm512_castsi512_ps, _mm512_castsi512_ps(si(o, 0))),
    OPERATION(_mm512_extractf32x8_ps, _mm512_extractf32x8_ps(ps(o, 0), 1)),
    OPERATION(_mm512_extracti32x8_epi32, _mm512_extracti32x8_epi32(si(o, 0), 1)),
    OPERATION(_mm512_extracti64x4_epi64, _mm512_extracti64x4_epi64(si(o, 0), 1)),
    OPERATION(_mm512_inserti64x4, _mm512_inserti64x4(si(o, 0), si256(o, 1), 1)),
    OPERATION(_mm512_zextsi256_si512, _mm512_zextsi256_si512(si256(o, 0))),
    OPERATION(_mm512_broadcast_i32x4, _mm512_broadcast_i32x4(si128(o, 0))),
    OPERATION(_mm512_cvtss_f32, _mm512_cvtss_f32(ps(o, 0))),
    OPERATION(_mm512_set1_ps, _mm512_set1_ps(get<float>(o, 0))),
    OPERATION(_mm512_set1_epi32, _mm512_set1_epi32(first(o))),
    OPERATION(_mm512_set1_epi16, _mm512_set1_epi16(static_cast<short>(first(o)))),
    OPERATION(_mm512_set1_epi8, _mm512_set1_epi8(static_cast<char>(first(o)))),
    OPERATION(_mm512_setzero_ps, _mm512_setzero_ps()),
    OPERATION(_mm512_setzero_si512, _mm512_setzero_si512()),
    OPERATION(_mm512_loadu_ps, _mm512_loadu_ps(memory(o))),
    OPERATION(_mm512_loadu_si512, _mm512_loadu_si512(memory(o))),
    OPERATION(_mm512_maskz_loadu_ps, _mm512_maskz_loadu_ps(static_cast<__mmask16>(o.mask), memory(o))),
    OPERATION(_mm512_mask_loadu_ps,
              _mm512_mask_loadu_ps(ps(o, 1), static_cast<__mmask16>(o.mask), memory(o))),
    OPERATION(_mm512_maskz_loadu_epi32, _mm512_maskz_loadu_epi32(static_cast<__mmask16>(o.mask), memory(o))),
    OPERATION(_mm512_maskz_loadu_epi16, _mm512_maskz_loadu_epi16(static_cast<__mmask32>(o.mask), memory(o))),
    OPERATION(_mm512_maskz_loadu_epi8, _mm512_maskz_loadu_epi8(o.mask, memory(o))),
    STORE(_mm512_storeu_ps, ps(o, 0)), STORE(_mm512_storeu_si512, si(o, 0)),
    STORE(_mm512_mask_storeu_ps, static_cast<__mmask16>(o.mask), ps(o, 0)),
    STORE(_mm512_mask_storeu_epi32, static_cast<__mmask16>(o.mask), si(o, 0)),
    STORE(_mm512_mask_storeu_epi16, static_cast<__mmask32>(o.mask), si(o, 0)),
    STORE(_mm512_mask_storeu_epi8, o.mask, si(o, 0)),
    // clang-format on
};

}  // namespace

const Operations GEMVEC_OPERATIONS = {kList, std::size(kList)};

}  // namespace gemvec::emulation
