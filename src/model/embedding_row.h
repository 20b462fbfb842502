// One row of a packed embedding table: its bytes carry their own scales and a check.
//
//   bf16:     [width] numbers, check (32 bits)
//   int6:     [width / 2] low halves, [width / 4] high pairs of bits, [width / 32] subs, scale (fp32), check
//   int4:     [width / 2] halves, [width / 32] subs, scale, check
//   channel4: [width / 2] halves, scale, check
//
// Half i of a row lies in byte i / 2, the even one in the low half, and pair i in byte i / 4, from the lowest
// bits on. A sub is for 32 elements. The check is the lower half of XXH3-64 over the row's other bytes. An
// element is
//   int6:     (16 * high + low - 32) * sub * scale, a sub being 1..255
//   int4:     trellis_level(half before, half) * sub * scale, a sub being 1..255; but
//             (half - 8) * sub * -scale, a sub being -127..127, where the scale is negative or -0
//   channel4: (half - 8) * scale
#pragma once

#include <cstddef>

#include "model/weights.h"

namespace gemvec::model {

// Bytes of a row. REQUIRES: the encoding is not kSource.
std::size_t row_bytes(RowEncoding encoding, std::size_t width);

// One row, x[width], into `row`. x is not changed.
void pack_row(RowEncoding encoding, const float* x, std::size_t width, std::byte* row);

// One row as fp32, out[width]. False if the check does not fit the bytes: the file is damaged.
[[nodiscard]] bool unpack_row(RowEncoding encoding, const std::byte* row, std::size_t width, float* out);

}  // namespace gemvec::model
