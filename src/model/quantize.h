// Weights to codes: one output column of a linear layer at a time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace gemvec::model {

// The codes of one column, w[k], as kernels/gemm_int8/gemm_int8.h wants them: every group of w is multiplied
// by the Hadamard matrix of its size and divided by the size, because the activations are multiplied by the
// matrix too, and the matrix times itself is its size times one.
//
// Writes codes of -127..127 and a scale per group. w is overwritten, with the rotated numbers.
void quantize_int8(float* w, std::size_t k, std::size_t group, std::int8_t* codes, float* scales);

// Writes codes of -31..31, 32 added, and a scale per group. w is overwritten, with the rotated numbers.
void quantize_int6(float* w, std::size_t k, std::size_t group, std::uint8_t* codes, float* scales);

// Writes halves of 0..15, a step byte for every 32 steps of k (sub + 16 * zero), and a scale per group.
// w is overwritten.
void quantize_int4(float* w, std::size_t k, std::size_t group, std::uint8_t* halves, std::uint8_t* steps,
                   float* scales);

// Without rotation, and with one scale for the whole column: codes of -127..127, and halves of 0..15 whose
// zero is 8.
void quantize_channel_int8(float* w, std::size_t k, std::size_t group, std::int8_t* codes, float* scales);
void quantize_channel_int4(float* w, std::size_t k, std::size_t group, std::uint8_t* halves,
                           std::uint8_t* steps, float* scales);

// What the others do without the rotation, for `n` numbers of one group (n a multiple of 32): returns the
// scale.
float quantize_group_int8(const float* w, std::size_t n, std::int8_t* codes);
float quantize_group_int6(const float* w, std::size_t n, std::uint8_t* codes);
float quantize_group_int4(const float* w, std::size_t n, std::uint8_t* halves, std::uint8_t* steps);

// Codes of -31..31, 32 added, and a sub of 1..255 for every 32 of them: code * sub * scale, the scale is
// returned. For rows of the embedding table.
float quantize_row_int6(const float* w, std::size_t n, std::uint8_t* codes, std::uint8_t* subs);

// Halves of 0..15 and a sub of -127..127 for every 32 of them: (half - 8) * sub * scale, the scale is
// returned. For rows that stand on such a grid, as those of Q4_0 and of MatMulNBits do: a step is kept to 1
// part in 2 * sub. Nothing if the sum of squares of errors is more than `most`.
std::optional<float> quantize_row_int4(const float* w, std::size_t n, float most, std::uint8_t* halves,
                                       std::int8_t* subs);

// Nearest integer by adding and taking away 1.5 * 2^23: unlike nearbyint(), the compiler does four at a time.
// REQUIRES: |x| < 2^22.
inline float nearest(float x) { return (x + 12582912.0F) - 12582912.0F; }

// The largest magnitude of n numbers.
inline float highest(const float* w, std::size_t n) {
  float top = 0;
  for (std::size_t i = 0; i < n; ++i) top = std::max(top, std::fabs(w[i]));
  return top;
}

}  // namespace gemvec::model
