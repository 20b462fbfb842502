// Rows of weights as the codes and scales of ONNX's weight-only operators.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gemvec::convert {

// Numbers that share a scale in 4 bits: the block size that ONNX Runtime's own tool and the release use.
inline constexpr std::size_t kInt4Block = 32;

// out[n] in -127..127 with x[i] = out[i] * scale to within half a step. Returns the scale; 0 for a row of
// zeros.
float quantize_int8(const float* x, std::size_t n, std::int8_t* out);

// Blocks of kInt4Block numbers, x[i] = (code - 8) * scale with codes 0..15, two in a byte, the first in the
// low half: out[n / 2], scales[n / kInt4Block]. The number with the largest magnitude is met exactly, with
// the code 0, and so a scale has the other sign than it. REQUIRES: n is a multiple of kInt4Block
void quantize_int4(const float* x, std::size_t n, std::byte* out, float* scales);

}  // namespace gemvec::convert
