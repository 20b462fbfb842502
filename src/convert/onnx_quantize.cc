#include "convert/onnx_quantize.h"

#include <algorithm>
#include <cmath>

namespace gemvec::convert {

namespace {

constexpr float kInt8Steps = 127;  // -128 is not used: the codes are symmetric, as the weights are
constexpr int kInt4Zero = 8, kInt4Largest = 15;

// The nearest code, ties to even, of a number that lies on the grid of 16 codes or just beside it.
unsigned int4_code(float x, float scale) {
  if (scale == 0) return kInt4Zero;
  return static_cast<unsigned>(
      std::clamp(static_cast<int>(std::nearbyint(x / scale)) + kInt4Zero, 0, kInt4Largest));
}

}  // namespace

float quantize_int8(const float* x, std::size_t n, std::int8_t* out) {
  float largest = 0;
  for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float scale = largest / kInt8Steps;
  for (std::size_t i = 0; i < n; ++i) {
    // A scale that is subnormal, or zero, has lost bits, and the quotient may lie beyond the last code.
    const float code = scale == 0 ? 0 : std::clamp(std::nearbyint(x[i] / scale), -kInt8Steps, kInt8Steps);
    out[i] = static_cast<std::int8_t>(code);
  }
  return scale;
}

void quantize_int4(const float* x, std::size_t n, std::byte* out, float* scales) {
  for (std::size_t first = 0; first < n; first += kInt4Block) {
    const float* block = x + first;
    float extreme = 0;
    for (std::size_t i = 0; i < kInt4Block; ++i) {
      if (std::fabs(block[i]) > std::fabs(extreme)) extreme = block[i];
    }
    const float scale = extreme / -kInt4Zero;
    scales[first / kInt4Block] = scale;
    for (std::size_t i = 0; i < kInt4Block; i += 2) {
      const unsigned low = int4_code(block[i], scale), high = int4_code(block[i + 1], scale);
      out[(first + i) / 2] = static_cast<std::byte>(low | high << 4);
    }
  }
}

}  // namespace gemvec::convert
