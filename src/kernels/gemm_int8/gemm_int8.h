// Matrix products over 8-bit codes: C[m, n] = A[m, k] * B[k, n], the contract of every instruction set's
// version.
//
// A comes from kernels/quantize: codes of each row and, for every group of `group` elements along k, a scale.
// B has codes of -127..127, kept as code + 128 in a byte, and for every group and column a scale. It is
// packed once into panels of kPanel columns, one after the other, every part of a panel at a multiple of 64
// bytes:
//   int8: codes  [k / 4][kPanel][4]  bytes: four steps of k of one column side by side, the operand of the
//   VNNI
//                                    instructions
//         scales [k / group][kPanel] floats
//         bias   [kPanel]            floats
//   int6: low    [k / 8][kPanel][4]  bytes: the low half of byte i is step 8 j + i, the high half 8 j + 4 + i
//         high   [k / 16][kPanel][4] bytes: bits 2 q and 2 q + 1 of byte i are step 16 j + 4 q + i
//         scales, bias               as above. The code of int8 is high * 16 + low - 32
//   int4: codes  [k / 8][kPanel][4]  bytes: the low half of byte i is step 8 j + i, the high half 8 j + 4 + i
//         steps  [k / 32][kPanel]    bytes sub + 16 * zero: the code of int8 is (half - zero) * sub
//         scales, bias               as above
// int6 and int4 are ways to keep int8 codes: they are unpacked, a panel at a time, and multiplied like int8.
//
// C[i, j] is the bias plus the sum over groups in ascending order, in one fp32 accumulator, of
//   (scale of A * scale of B) * (sum of products of codes, exact in int32).
// So a row of C depends on its row of A only, whatever rows or panels share a call, and instruction sets with
// FMA give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/gemm/gemm.h"
#include "kernels/quantize/quantize.h"

namespace gemvec::kernels {

// Columns of int4 codes that share a step run over this many steps of k.
inline constexpr std::size_t kStepGroup = 32;

// Added to a byte's 6 bits.
inline constexpr int kInt6Zero = 32;

// Bytes of the parts of a panel, and of the whole; each a multiple of 64.
constexpr std::size_t panel_codes_int8(std::size_t k) { return k * kPanel; }
constexpr std::size_t panel_low_int6(std::size_t k) { return k * kPanel / 2; }
constexpr std::size_t panel_codes_int6(std::size_t k) { return k * kPanel / 4 * 3; }
constexpr std::size_t panel_codes_int4(std::size_t k) { return k * kPanel / 2; }
constexpr std::size_t panel_steps(std::size_t k) { return (k / kStepGroup * kPanel + 63) / 64 * 64; }
constexpr std::size_t panel_scales(std::size_t k, std::size_t group) { return k / group * kPanel * 4; }
// The bias is the last part of every panel.
inline constexpr std::size_t kPanelBias = kPanel * sizeof(float);
constexpr std::size_t panel_bytes_int8(std::size_t k, std::size_t group) {
  return panel_codes_int8(k) + panel_scales(k, group) + kPanelBias;
}
constexpr std::size_t panel_bytes_int6(std::size_t k, std::size_t group) {
  return panel_codes_int6(k) + panel_scales(k, group) + kPanelBias;
}
constexpr std::size_t panel_bytes_int4(std::size_t k, std::size_t group) {
  return panel_codes_int4(k) + panel_steps(k) + panel_scales(k, group) + kPanelBias;
}
// What a call needs as scratch: an unpacked panel, of 16-bit codes at most.
constexpr std::size_t gemm_int8_scratch_bytes(std::size_t k) { return k * kPanel * 2; }

struct GemmInt8Args {
  const void* a = nullptr;  // [m, k] codes of code_bytes each, lda codes a row
  std::size_t lda = 0;
  const RowGroup* a_groups = nullptr;  // [m, k / group], ldg a row
  std::size_t ldg = 0;
  const std::byte* b = nullptr;  // first panel; 64-byte aligned
  float* c = nullptr;            // [m, panels * kPanel], ldc elements a row; must not overlap a or b
  std::size_t ldc = 0;
  std::size_t m = 0;
  std::size_t k = 0;      // multiple of group
  std::size_t group = 0;  // 32, 64 or 128
  std::size_t panels = 0;
  // What is asked for from memory while the last panel is multiplied: what this thread will read next. Null:
  // what lies behind the panel.
  const std::byte* next = nullptr;
  void* scratch = nullptr;  // gemm_int8_scratch_bytes(k), 64-byte aligned, the call's own
};

using GemmInt8Fn = void (*)(const GemmInt8Args& args);

struct GemmInt8Kernels {
  std::size_t code_bytes = 0;  // of a code of A: 1, or 2 (products of 16-bit numbers)
  GemmInt8Fn int8 = nullptr;
  GemmInt8Fn int6 = nullptr;
  GemmInt8Fn int4 = nullptr;
  // Runs `iterations` rounds of the inner loop's instructions on registers alone and returns the operations
  // done, 2 for a multiply-add. `sink` receives a value, so that nothing is optimised away.
  double (*peak)(std::size_t iterations, float* sink) = nullptr;
};

extern const GemmInt8Kernels kGemmInt8Scalar;
extern const GemmInt8Kernels kGemmInt8Avx2;
extern const GemmInt8Kernels kGemmInt8Avx512;
extern const GemmInt8Kernels kGemmInt8AvxVnni;
extern const GemmInt8Kernels kGemmInt8Avx512Vnni;
extern const GemmInt8Kernels kGemmInt8Amx;

}  // namespace gemvec::kernels
