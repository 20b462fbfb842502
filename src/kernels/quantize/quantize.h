// Activations as 8-bit codes: the left operand of the int8 matrix product (kernels/gemm_int8/gemm_int8.h).
//
// A row x[n] is cut into groups of `group` elements along n. Each group is multiplied by the Hadamard matrix
// of its size (entries +1 and -1, not scaled; y_i = sum_j (-1)^popcount(i & j) x_j), which spreads a single
// large element over the group; the weights carry the inverse. Then, with m = max |y| of the group,
//   code = round(y * (127 / m)), ties to even, and scale = m / 127: x is about inverse(scale * code).
// Every step is exact or rounded once in a fixed order, so that the codes have the same bits on every
// instruction set; only their width differs (see GemmInt8Kernels::code_bytes).
#pragma once

#include <cstddef>
#include <cstdint>

namespace gemvec::kernels {

// Largest magnitude of a code. -128 is not used: the grid is symmetric.
inline constexpr float kMaxCode = 127.0F;
// Largest group: 128 fp32 numbers are 8 AVX-512 or 16 AVX2 registers, so that the transform stays in
// registers.
inline constexpr std::size_t kMaxGroup = 128;
// Smallest group, what every width is a multiple of.
inline constexpr std::size_t kMinGroup = 32;

// Elements along k that share a scale, and a Hadamard transform: the largest of 128, 64 and 32 that divides
// k.
constexpr std::size_t group_of(std::size_t k) {
  return k % kMaxGroup == 0 ? kMaxGroup : k % 64 == 0 ? 64 : kMinGroup;
}

// The bits of the float 1.5 * 2^23, whose last bit is worth 1: with an integer n, |n| < 2^22, added to them
// they are those of 1.5 * 2^23 + n. So a sum of products that begins with them becomes a float by one
// subtraction instead of a conversion, which was measured to be faster (docs/decisions/0024).
inline constexpr std::int32_t kFloatBits = 0x4B400000;
inline constexpr float kFloatZero = 0x1.8p23F;
static_assert(kMaxGroup * 127 * 127 < (1U << 22U), "a group's sum");

// What the matrix product needs to know of one group of one row.
struct RowGroup {
  float scale = 0;  // of the codes; 0 if all are 0
  // kFloatBits - 128 * sum of the codes: what a sum of products begins with, because 128 is added to every
  // weight's code.
  std::int32_t start = kFloatBits;
};

struct QuantizeKernels {
  // x: [n]; n a multiple of group; group is 32, 64 or 128. codes: [n], int8 or int16 as the instruction set's
  // matrix product wants them. groups: [n / group]. Nothing may overlap.
  void (*row)(const float* x, std::size_t n, std::size_t group, void* codes, RowGroup* groups);
  // The same without the Hadamard transform: for weights that stand on a grid of their own.
  void (*plain)(const float* x, std::size_t n, std::size_t group, void* codes, RowGroup* groups);
};

extern const QuantizeKernels kQuantizeScalar;
extern const QuantizeKernels kQuantizeAvx2;
extern const QuantizeKernels kQuantizeAvx512;
extern const QuantizeKernels kQuantizeAvx512Vnni;

}  // namespace gemvec::kernels
