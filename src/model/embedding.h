// The embedding table: a row of it as the model reads it, and rows in bf16, 8 or 4 bits, which carry their
// own scales and a check.
//
//   bf16: [width] numbers, a check (32 bits)
//   int8: [width] codes, a scale (fp32), a check (32 bits)
//   int4: [width / 2] halves, [width / 32] steps, a scale (fp32), a check (32 bits)
// A row's element is code * scale, or (half - zero) * sub * scale, where a step is sub + 16 * zero. Half i of
// a row lies in byte i / 2, the even one in the low half. The check is the lower half of XXH3-64 over the
// row's other bytes.
#pragma once

#include <cstddef>

#include "gemvec/result.h"
#include "model/raw_weights.h"
#include "model/weights.h"

namespace gemvec::model {

// Bytes from one row to the next, a multiple of 4. REQUIRES: kBf16, kInt8 or kInt4.
std::size_t embedding_row_bytes(Encoding encoding, std::size_t width);

// One row, x[width], into `row`. x is not changed. one_step: 4 bits have the same step in the whole row.
void pack_embedding_row(Encoding encoding, const float* x, std::size_t width, bool one_step, std::byte* row);

// One row as fp32, out[width]. False if the check does not fit the bytes: the file is damaged.
[[nodiscard]] bool read_embedding_row(Encoding encoding, const std::byte* row, std::size_t width, float* out);

// Row `id` of the table as fp32, out[width], from wherever it lies. A text needs rows all over the table,
// once each: through a map the kernel would count 16 pages for each of them as this process's memory, the
// whole table after some ten thousand tokens. So they are copied out of the file if there is one, but for
// RawType::kRows, whose readers know the map only. `scratch` is [width] and loses what it holds. Errors:
// kBadFormat (a row's check), kIo (the file is shorter now).
Status read_embedding(const Weights& weights, std::size_t id, float* scratch, float* out);

}  // namespace gemvec::model
