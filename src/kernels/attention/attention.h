// Attention, softmax(Q K^T) V with one key/value head for all query heads: the contract of every instruction
// set's version.
//
// The keys and values of one text are packed once into an operand, plain bytes whose size and layout are the
// kernel's own business (in short: K transposed in panels of keys, then V in panels of columns, padded with
// zeros to a multiple of 32 keys). Then any tiles of queries are attended, by any threads:
//
//   std::byte* operand;                      // operand_bytes(length, head_dim), 64-byte aligned
//   kernel.pack(...);                        // every position once; panels may be packed in parallel
//   kernel.attend(...);                      // any ranges of positions, in parallel, each with its own
//   scratch
//
// The scores of a text never exist as a whole. Keys are taken in blocks, the softmax runs along (its maximum
// so far, the sum of its exponentials and the mix of values that belongs to them), and only blocks and panels
// that some query of a tile can see are touched.
//
// Order of summation, for a query at position i that sees the keys j with |i - j| <= reach:
//   score[j]  sum over head_dim in ascending order in one fp32 accumulator (bf16: in pairs; with AMX 32 steps
//             at a time, as in kernels/gemm/gemm.h)
//   blocks    of 256 keys, counted from the text's beginning, in ascending order. In each:
//     top     the highest score so far. Where it grew, sum and mix are multiplied by e^(old top - top).
//     sum     of p[j] = e^(score[j] - top), first in lanes j % (the vector's lanes), then over the lanes,
//     then
//             added to the sum so far
//     mix     += p[j] v[j] in ascending order in one fp32 accumulator (bf16: like the scores)
//   out       mix * (1 / sum)
// A key out of reach has p[j] = 0 exactly, whether it is computed or skipped. So a query's result is a
// function of its own q, its position, reach, and the text's keys, values and length, bit for bit: it does
// not depend on which queries share a call, nor on how a call is cut into tiles.
//
// In the bf16 kernel q, k, v and p are rounded to bf16 and multiplied in pairs into fp32; the softmax is
// fp32. Its sum is that of the rounded p: the weights of a query then add up to 1 whatever the roundings did,
// so a rounding moves the result towards or away from v[j] by its distance from the mean of the values, not
// by the whole v[j], and values that are all the same come out unchanged.
//
// In the int8 kernel q and k are rotated and rounded to codes, as kernels/quantize/quantize.h says, in groups
// of 128 along head_dim (64 or 32, if that is no multiple), and a score is
//   sum over groups, ascending, in one fp32 accumulator, of (scale of q * (scale of k / group)) * (the exact
//   integer sum of the codes' products).
// p and v are as in the bf16 kernel, or fp32 where there is none.
#pragma once

#include <cstddef>

namespace gemvec::kernels {

// Keys of one panel: packing starts at a multiple of it.
inline constexpr std::size_t kAttentionPanel = 32;

struct AttentionPackArgs {
  const float* k = nullptr;  // [count, head_dim], normed and rotated; finite; ldk elements a row
  std::size_t ldk = 0;
  const float* v = nullptr;  // [count, head_dim]; finite; ldv elements a row
  std::size_t ldv = 0;
  std::size_t first = 0;     // position of the first row: a multiple of kAttentionPanel
  std::size_t count = 0;     // a multiple of kAttentionPanel, or what is left of the text
  std::size_t length = 0;    // tokens of the text
  std::size_t head_dim = 0;  // a multiple of 32
  void* operand = nullptr;   // of the whole text; 64-byte aligned; must not overlap k or v
};

struct AttentionArgs {
  const float* q = nullptr;  // [tokens, heads, head_dim], normed, rotated and scaled; finite
  std::size_t ldq = 0;       // elements from one token to the next, >= heads * head_dim
  const void* operand = nullptr;
  std::size_t length = 0;    // tokens of the text
  std::size_t head_dim = 0;  // a multiple of 32
  std::size_t heads = 0;     // 1 to 96
  std::size_t first = 0;     // position of the first query
  std::size_t tokens = 0;    // queries first .. first + tokens - 1, all in the text; may be 0
  std::size_t reach = 0;     // positions that a query sees to either side; >= length: all
  float* out = nullptr;  // [tokens, heads, head_dim]; must not overlap anything but q, with the same stride
  std::size_t ldo = 0;   // elements from one token to the next, >= heads * head_dim
  void* scratch =
      nullptr;  // scratch_bytes(head_dim), 64-byte aligned, of this thread alone; contents are lost
};

struct AttentionKernel {
  // Bytes of a text's operand: a multiple of 64, and proportional to length rounded up to whole panels, so
  // that operands of several texts can lie one after the other.
  std::size_t (*operand_bytes)(std::size_t length, std::size_t head_dim);
  // Bytes of scratch that attend() needs, for any number of heads and tokens.
  std::size_t (*scratch_bytes)(std::size_t head_dim);
  // Writes the panels of positions first .. first + count - 1, padding included, and nothing else.
  void (*pack)(const AttentionPackArgs& args);
  // REQUIRES: every position of the text is packed (with reach < length: every position within reach).
  // Best with 32 tokens of three heads a call, or more: the kernel cuts a call into tiles of up to 96 rows.
  void (*attend)(const AttentionArgs& args);
};

struct AttentionKernels {
  const AttentionKernel* f32;
  const AttentionKernel* bf16;  // nullptr where there is no bf16 product
  // Scores from codes; nullptr where they would be no faster than with the best of the above.
  const AttentionKernel* int8;
};

extern const AttentionKernels kAttentionScalar;
extern const AttentionKernels kAttentionAvx2;
extern const AttentionKernels kAttentionAvxVnni;
extern const AttentionKernels kAttentionAvx512;
extern const AttentionKernels kAttentionAvx512Vnni;
extern const AttentionKernels kAttentionAvx512Bf16;
extern const AttentionKernels kAttentionAmx;

}  // namespace gemvec::kernels
