// Weights to codes: one output column of a linear layer at a time.
#pragma once

#include <cstddef>
#include <cstdint>

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

// Nearest integer by adding and taking away 1.5 * 2^23: unlike nearbyint(), the compiler does four at a time.
// REQUIRES: |x| < 2^22.
inline float nearest(float x) { return (x + 12582912.0F) - 12582912.0F; }

}  // namespace gemvec::model
