// The matrices of ONNX files, row by row as fp32: plain numbers in another order than the engine's, and codes
// with scales and zero points.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "model/raw_weights.h"

namespace gemvec::source {

// fp32, bf16 or fp16 numbers side by side.
struct OnnxFloats {
  const std::byte* data = nullptr;
  model::RawType type = model::RawType::kF32;  // not kRows

  [[nodiscard]] float at(std::size_t i) const;
};

// Whole numbers of 4 or 8 bits side by side; of two 4-bit ones in a byte the first is in the low half.
struct OnnxCodes {
  const std::byte* data = nullptr;
  unsigned bits = 8;
  bool is_signed = false;

  [[nodiscard]] int at(std::size_t i) const {
    const auto byte = std::to_integer<unsigned>(data[bits == 8 ? i : i / 2]);
    const unsigned code = bits == 8 ? byte : byte >> 4 * (i % 2) & 15U;
    const int sign = 1 << (bits - 1);  // two's complement
    return is_signed ? (static_cast<int>(code) ^ sign) - sign : static_cast<int>(code);
  }
};

// Which scale or zero point belongs to the number at [row, col]: one for each block of
// [row_block, col_block], of which the next one down or to the right is so many steps on.
struct OnnxGrid {
  std::size_t row_block = 1, row_step = 0;
  std::size_t col_block = 1, col_step = 0;

  [[nodiscard]] std::size_t at(std::size_t row, std::size_t col) const {
    return row / row_block * row_step + col / col_block * col_step;
  }
};

// A matrix as it lies in memory: value[r, c] = (code[r, c] - zero) * scale, in fp32.
struct OnnxAffine {
  OnnxCodes codes;
  std::size_t row_codes = 0;  // from one row's first code to the next row's
  OnnxFloats scales;
  OnnxGrid scale_grid;
  // At most one of these two; without them, `zero` is the zero point of all numbers.
  std::optional<OnnxCodes> zero_codes;
  std::optional<OnnxFloats> zero_floats;
  OnnxGrid zero_grid;
  int zero = 0;

  [[nodiscard]] float value(std::size_t row, std::size_t col) const {
    const std::size_t at = zero_grid.at(row, col);
    const auto code = static_cast<float>(codes.at(row * row_codes + col));
    float origin = static_cast<float>(zero);
    if (zero_codes) origin = static_cast<float>(zero_codes->at(at));
    if (zero_floats) origin = zero_floats->at(at);
    return (code - origin) * scales.at(scale_grid.at(row, col));
  }
};

// The bytes are a mapped file's, or kept alive by `keep`.
struct OnnxMemory {
  std::size_t rows = 0, cols = 0;  // as they lie in memory
  bool transposed = false;         // the rows to be read are the memory's columns
  std::shared_ptr<const void> keep;
};

std::unique_ptr<const model::RowReader> make_float_rows(const OnnxFloats& floats, OnnxMemory memory);
std::unique_ptr<const model::RowReader> make_affine_rows(const OnnxAffine& affine, OnnxMemory memory);

}  // namespace gemvec::source
