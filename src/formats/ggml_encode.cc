// Encoding: the reference's rounding, and before it a search for the grid that a block may lie on already.
#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>

#include "base/numbers.h"
#include "formats/ggml_blocks.h"

namespace gemvec::formats {

namespace {

constexpr std::size_t kBlock = 32;
constexpr float kLargestF16 = 65504;

void put_word(std::byte* out, std::uint16_t word) {
  out[0] = static_cast<std::byte>(word & 0xFF);
  out[1] = static_cast<std::byte>(word >> 8);
}

// The codes that a symmetric format has: q in [low, high], the number is d * q.
struct Grid {
  int low, high;
};
constexpr Grid kGrid4 = {-8, 7};
constexpr Grid kGrid8 = {-127, 127};  // -128 is never written, as the reference never does

// The first number of the largest size, with its sign.
float extreme_of(const float* x) {
  float extreme = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  return extreme;
}

// Is every number exactly d * q with a code q of the grid?
bool lies_on(const float* x, float d, Grid grid) {
  for (std::size_t i = 0; i < kBlock; ++i) {
    const float q = std::nearbyint(x[i] / d);
    if (q < static_cast<float>(grid.low) || q > static_cast<float>(grid.high) || d * q != x[i]) return false;
  }
  return true;
}

// An fp16 d with extreme = d * code and all numbers on its grid. If there is one, the quotient is exact: an
// fp16 has 11 bits and a code at most 7, which together fit fp32.
bool try_code(const float* x, float extreme, int code, Grid grid, float& d) {
  const float quotient = extreme / static_cast<float>(code);
  // An fp16 as fp32 ends in 13 zeros; nearly all quotients of other blocks fail here.
  if ((std::bit_cast<std::uint32_t>(quotient) & 0x1FFFU) != 0) return false;
  if (quotient == 0 || base::from_f16(base::to_f16(quotient)) != quotient) return false;
  if (!lies_on(x, quotient, grid)) return false;
  d = quotient;
  return true;
}

// The codes are tried from the reference's own choice on, so that a block which that choice keeps gets it.
bool find_grid4(const float* x, float extreme, float& d) {
  for (int code = kGrid4.low; code <= kGrid4.high; ++code) {
    if (code != 0 && try_code(x, extreme, code, kGrid4, d)) return true;
  }
  return false;
}

bool find_grid8(const float* x, float extreme, float& d) {
  const float size = std::fabs(extreme);  // d is positive
  for (int code = kGrid8.high; code > 0; --code) {
    if (try_code(x, size, code, kGrid8, d)) return true;
  }
  return false;
}

// 1 / d, and 0 where that does not exist: such a d is zero as fp16, and so is the block.
float inverse_of(float d) {
  const float inverse = 1 / d;
  return std::isfinite(inverse) ? inverse : 0.0F;
}

void encode_q4_0(const float* x, std::byte* out) {
  const float extreme = extreme_of(x);
  float d = std::clamp(extreme / -8, -kLargestF16, kLargestF16);
  const bool exact = find_grid4(x, extreme, d);
  const float inverse = inverse_of(d);
  const auto code = [&](float value) {
    const float q = exact ? std::nearbyint(value / d) + 8 : value * inverse + 8.5F;
    return static_cast<unsigned>(std::clamp(q, 0.0F, 15.0F));  // cuts off what is behind the point
  };
  put_word(out, base::to_f16(d));
  for (std::size_t i = 0; i < kBlock / 2; ++i)
    out[2 + i] = static_cast<std::byte>(code(x[i]) | code(x[i + kBlock / 2]) << 4);
}

void encode_q8_0(const float* x, std::byte* out) {
  const float extreme = extreme_of(x);
  float d = std::min(std::fabs(extreme) / 127, kLargestF16);
  const bool exact = find_grid8(x, extreme, d);
  const float inverse = inverse_of(d);
  put_word(out, base::to_f16(d));
  for (std::size_t i = 0; i < kBlock; ++i) {
    const float q = exact ? std::nearbyint(x[i] / d) : std::round(x[i] * inverse);
    out[2 + i] = static_cast<std::byte>(static_cast<std::int8_t>(std::clamp(q, -127.0F, 127.0F)));
  }
}

}  // namespace

void ggml_encode_row(GgmlType type, const float* x, std::size_t n, std::byte* out) {
  switch (type) {
    case GgmlType::kF32:
      std::memcpy(out, x, n * sizeof(float));
      return;
    case GgmlType::kF16:
      for (std::size_t i = 0; i < n; ++i) put_word(out + 2 * i, base::to_f16(x[i]));
      return;
    case GgmlType::kBf16:
      for (std::size_t i = 0; i < n; ++i) put_word(out + 2 * i, base::to_bf16(x[i]));
      return;
    case GgmlType::kQ4_0:
    case GgmlType::kQ8_0:
      break;
    default:
      assert(false && "no such encoder");
      return;
  }
  assert(n % kBlock == 0);
  const std::size_t bytes = ggml_row_bytes(type, kBlock);
  for (std::size_t at = 0; at < n; at += kBlock, out += bytes) {
    type == GgmlType::kQ4_0 ? encode_q4_0(x + at, out) : encode_q8_0(x + at, out);
  }
}

}  // namespace gemvec::formats
