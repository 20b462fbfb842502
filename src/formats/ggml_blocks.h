// The number formats of GGUF files: plain numbers, and blocks of codes that share their scales.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gemvec::formats {

enum class GgmlType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIq4Nl = 20,
  kIq4Xs = 23,
  kBf16 = 30,
};

struct GgmlTraits {
  std::string_view name;  // as llama.cpp spells it: "Q4_K"
  std::size_t block;      // elements
  std::size_t bytes;      // of a block
};

// nullptr if it is none of GgmlType.
const GgmlTraits* ggml_traits(std::uint32_t type);
// The name of any type that the format ever had, also of those that are not read here; "" if there is none.
std::string_view ggml_type_name(std::uint32_t type);

// REQUIRES: n is a multiple of the type's block.
std::size_t ggml_row_bytes(GgmlType type, std::size_t n);

// out[n]: the numbers that a row of n means, exactly as the format's reference computes them in fp32.
// REQUIRES: n is a multiple of the type's block. `row` may be unaligned.
void ggml_decode_row(GgmlType type, const std::byte* row, std::size_t n, float* out);

// The other way, for kF32, kF16, kBf16, kQ8_0 and kQ4_0: as the format's reference rounds, but that a block
// whose numbers all lie on one of the format's grids, d * q with an fp16 d, is given that d. So weights that
// were trained to lie there come through unchanged; the reference's d puts the largest number on -8 (Q4_0)
// or 127 (Q8_0) also where the grid has it elsewhere.
// REQUIRES: x finite, n a multiple of the type's block
void ggml_encode_row(GgmlType type, const float* x, std::size_t n, std::byte* out);

}  // namespace gemvec::formats
