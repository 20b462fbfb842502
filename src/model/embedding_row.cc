#include "model/embedding_row.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "kernels/gemm_int8/gemm_int8.h"
#include "model/numbers.h"
#include "model/quantize.h"
#include "model/trellis.h"

namespace gemvec::model {

namespace {

constexpr std::size_t kSubGroup = kTrellisGroup;  // elements that share a sub; int6 has as many

// Bytes before the scale and the check.
std::size_t code_bytes(RowEncoding encoding, std::size_t width) {
  return encoding == RowEncoding::kInt6   ? width / 2 + width / 4 + width / kSubGroup
         : encoding == RowEncoding::kInt4 ? width / 2 + width / kSubGroup
                                          : width / 2;
}

// Bytes before the check, which it covers.
std::size_t checked_bytes(RowEncoding encoding, std::size_t width) {
  return encoding == RowEncoding::kBf16 ? width * sizeof(std::uint16_t)
                                        : code_bytes(encoding, width) + sizeof(float);
}

std::uint32_t check_of(const std::byte* row, std::size_t bytes) {
  return static_cast<std::uint32_t>(XXH3_64bits(row, bytes));
}

void pack_bf16(const float* x, std::size_t width, std::byte* row) {
  for (std::size_t i = 0; i < width; ++i) {
    const std::uint16_t number = to_bf16(x[i]);
    std::memcpy(row + i * sizeof(number), &number, sizeof(number));
  }
}

void unpack_bf16(const std::byte* row, std::size_t width, float* out) {
  for (std::size_t i = 0; i < width; ++i) {
    std::uint16_t number;
    std::memcpy(&number, row + i * sizeof(number), sizeof(number));
    out[i] = from_bf16(number);
  }
}

// Halves of 0..15, two in a byte.
void pack_halves(const std::uint8_t* halves, std::size_t width, std::byte* to) {
  for (std::size_t i = 0; i < width / 2; ++i) {
    to[i] = static_cast<std::byte>(halves[2 * i] | halves[2 * i + 1] << 4U);
  }
}

unsigned half_of(const std::byte* halves, std::size_t i) {
  return static_cast<unsigned>(i % 2 == 0 ? halves[i / 2] & std::byte{15} : halves[i / 2] >> 4);
}

// Squares of errors, as a part of the numbers' own, up to which a row is taken to stand on an even grid: a
// third of what the trellis leaves. Steps that are off by half a sub leave less than a tenth of it.
constexpr float kOnGrid = 0.002F;

// Each returns the scale.
float pack_int4(const float* x, std::size_t width, std::byte* row) {
  std::vector<std::uint8_t> halves(width);
  std::byte* const subs = row + width / 2;
  float squares = 0;
  for (std::size_t i = 0; i < width; ++i) squares += x[i] * x[i];
  const std::optional<float> even =
      quantize_row_int4(x, width, kOnGrid * squares, halves.data(), reinterpret_cast<std::int8_t*>(subs));
  const float scale =
      even ? -*even : encode_trellis(x, width, halves.data(), reinterpret_cast<std::uint8_t*>(subs));
  pack_halves(halves.data(), width, row);
  return scale;
}

void unpack_int4(const std::byte* row, std::size_t width, float scale, float* out) {
  const std::byte* subs = row + width / 2;
  if (std::signbit(scale)) {
    for (std::size_t i = 0; i < width; ++i) {
      const int sub = static_cast<std::int8_t>(subs[i / kSubGroup]);
      out[i] = static_cast<float>((static_cast<int>(half_of(row, i)) - 8) * sub) * -scale;
    }
    return;
  }
  unsigned before = 0;
  for (std::size_t i = 0; i < width; i += 2) {
    const int sub = static_cast<int>(subs[i / kSubGroup]);
    const unsigned even = half_of(row, i), odd = half_of(row, i + 1);
    out[i] = static_cast<float>(trellis_level(before, even) * sub) * scale;
    out[i + 1] = static_cast<float>(trellis_level(even, odd) * sub) * scale;
    before = odd;
  }
}

float pack_channel4(const float* x, std::size_t width, std::byte* row) {
  std::vector<float> copy(x, x + width);
  std::vector<std::uint8_t> halves(width), steps(width / kernels::kStepGroup);  // all steps are the same
  float scale;
  quantize_channel_int4(copy.data(), width, width, halves.data(), steps.data(), &scale);
  pack_halves(halves.data(), width, row);
  return scale;
}

void unpack_channel4(const std::byte* row, std::size_t width, float scale, float* out) {
  for (std::size_t i = 0; i < width; ++i) {
    out[i] = static_cast<float>(static_cast<int>(half_of(row, i)) - 8) * scale;
  }
}

float pack_int6(const float* x, std::size_t width, std::byte* row) {
  std::vector<std::uint8_t> codes(width), low(width);
  std::byte* const pairs = row + width / 2;
  auto* const subs = reinterpret_cast<std::uint8_t*>(pairs + width / 4);
  const float scale = quantize_row_int6(x, width, codes.data(), subs);
  for (std::size_t i = 0; i < width; ++i) low[i] = codes[i] & 15U;
  pack_halves(low.data(), width, row);
  for (std::size_t i = 0; i < width / 4; ++i) {
    const std::uint8_t* of = codes.data() + 4 * i;
    pairs[i] =
        static_cast<std::byte>(of[0] >> 4U | of[1] >> 4U << 2U | of[2] >> 4U << 4U | of[3] >> 4U << 6U);
  }
  return scale;
}

void unpack_int6(const std::byte* row, std::size_t width, float scale, float* out) {
  const std::byte* pairs = row + width / 2;
  const std::byte* subs = pairs + width / 4;
  for (std::size_t i = 0; i < width; ++i) {
    const auto high = static_cast<unsigned>(pairs[i / 4] >> (2 * (i % 4)) & std::byte{3});
    const int code = static_cast<int>(16 * high + half_of(row, i)) - kernels::kInt6Zero;
    out[i] = static_cast<float>(code * static_cast<int>(subs[i / kSubGroup])) * scale;
  }
}

}  // namespace

std::size_t row_bytes(RowEncoding encoding, std::size_t width) {
  return checked_bytes(encoding, width) + sizeof(std::uint32_t);
}

void pack_row(RowEncoding encoding, const float* x, std::size_t width, std::byte* row) {
  if (encoding == RowEncoding::kBf16) {
    pack_bf16(x, width, row);
  } else {
    const float scale = encoding == RowEncoding::kInt6   ? pack_int6(x, width, row)
                        : encoding == RowEncoding::kInt4 ? pack_int4(x, width, row)
                                                         : pack_channel4(x, width, row);
    std::memcpy(row + code_bytes(encoding, width), &scale, sizeof(scale));
  }
  const std::size_t checked = checked_bytes(encoding, width);
  const std::uint32_t check = check_of(row, checked);
  std::memcpy(row + checked, &check, sizeof(check));
}

bool unpack_row(RowEncoding encoding, const std::byte* row, std::size_t width, float* out) {
  const std::size_t checked = checked_bytes(encoding, width);
  std::uint32_t check;
  std::memcpy(&check, row + checked, sizeof(check));
  if (check != check_of(row, checked)) return false;
  if (encoding == RowEncoding::kBf16) {
    unpack_bf16(row, width, out);
    return true;
  }
  float scale;
  std::memcpy(&scale, row + code_bytes(encoding, width), sizeof(scale));
  const auto unpack = encoding == RowEncoding::kInt6   ? unpack_int6
                      : encoding == RowEncoding::kInt4 ? unpack_int4
                                                       : unpack_channel4;
  unpack(row, width, scale, out);
  return true;
}

}  // namespace gemvec::model
