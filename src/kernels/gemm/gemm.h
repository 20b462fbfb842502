// Matrix products: C[m, n] = A[m, k] * B[k, n], the contract of every instruction set's version.
//
// B is packed once into panels of kPanel columns, so that the inner loop reads it front to back:
//   fp32: [n / kPanel][k][kPanel]           floats
//   bf16: [n / kPanel][k / 2][kPanel][2]    pairs (k, k + 1) of one column side by side: the operand of
//                                           AVX512-BF16's and AMX's dot products, and two shifts away from
//                                           fp32
// C[i, j] is the sum over k in ascending order in one fp32 accumulator (bf16 products: in pairs; with AMX 32
// steps, of which the even and the odd ones are summed apart, at a time), so a row of C depends on its row of
// A only: not on m, nor on which rows or panels share a call. That is what makes vectors independent of batch
// and threads.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gemvec::kernels {

// 32 columns are two AVX-512 registers. Rows of a tile then fill the rest: 12 rows x 2 registers = 24
// accumulators, 2 for B and up to 6 for broadcasts of A make 32.
inline constexpr std::size_t kPanel = 32;

struct GemmArgs {
  const void* a = nullptr;  // [m, k] float, or bf16 (std::uint16_t) for GemmKernels::bf16; lda elements a row
  std::size_t lda = 0;
  const void* b = nullptr;         // first panel; 64-byte aligned
  std::size_t b_panel_stride = 0;  // elements from one panel to the next; >= k * kPanel
  float* c = nullptr;              // [m, panels * kPanel], ldc elements a row; must not overlap a or b
  std::size_t ldc = 0;
  std::size_t m = 0;
  std::size_t k = 0;  // even for bf16 operands
  std::size_t panels = 0;
  // What is asked for from memory while the last panel is multiplied: what this thread will read next. Null:
  // what lies behind the panel.
  const void* next = nullptr;
};

using GemmFn = void (*)(const GemmArgs& args);

struct GemmKernels {
  GemmFn f32;        // A fp32, B fp32
  GemmFn bf16_wide;  // A fp32, B bf16 widened to fp32: fp32 arithmetic over bf16 weights
  GemmFn bf16;       // A bf16, B bf16, fp32 accumulators; nullptr where there is no such instruction
  // Runs `iterations` rounds of multiply-adds on registers alone and returns the FLOP done, 2 for a
  // multiply-add. `sink` receives a value, so that nothing is optimised away.
  double (*peak_f32)(std::size_t iterations, float* sink);
  double (*peak_bf16)(std::size_t iterations, float* sink);  // nullptr like bf16
};

extern const GemmKernels kGemmScalar;
extern const GemmKernels kGemmAvx2;
extern const GemmKernels kGemmAvx512;
extern const GemmKernels kGemmAvx512Bf16;
extern const GemmKernels kGemmAmx;

}  // namespace gemvec::kernels
