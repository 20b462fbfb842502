// Decoding. Each product and sum is rounded to fp32 where the reference rounds it, or bits would differ.
#include "formats/ggml_blocks.h"

#include <array>
#include <cassert>
#include <cstring>

#include "base/numbers.h"

namespace gemvec::formats {

namespace {

// Elements of a block: of Qn_0, Qn_1 and IQ4_NL, and of Qn_K and IQ4_XS.
constexpr std::size_t kSmall = 32, kLarge = 256;

struct KnownType {
  std::uint32_t type;
  GgmlTraits traits;
};
constexpr std::array kTypes = {
    KnownType{0, {"F32", 1, 4}},
    KnownType{1, {"F16", 1, 2}},
    KnownType{30, {"BF16", 1, 2}},
    KnownType{2, {"Q4_0", kSmall, 18}},
    KnownType{3, {"Q4_1", kSmall, 20}},
    KnownType{6, {"Q5_0", kSmall, 22}},
    KnownType{7, {"Q5_1", kSmall, 24}},
    KnownType{8, {"Q8_0", kSmall, 34}},
    KnownType{10, {"Q2_K", kLarge, 84}},
    KnownType{11, {"Q3_K", kLarge, 110}},
    KnownType{12, {"Q4_K", kLarge, 144}},
    KnownType{13, {"Q5_K", kLarge, 176}},
    KnownType{14, {"Q6_K", kLarge, 210}},
    KnownType{20, {"IQ4_NL", kSmall, 18}},
    KnownType{23, {"IQ4_XS", kLarge, 136}},
};

// Types that are not read here, so that a message can call them by name.
struct OtherType {
  std::uint32_t type;
  std::string_view name;
};
constexpr std::array kOthers = {
    OtherType{9, "Q8_1"},     OtherType{15, "Q8_K"},  OtherType{16, "IQ2_XXS"}, OtherType{17, "IQ2_XS"},
    OtherType{18, "IQ3_XXS"}, OtherType{19, "IQ1_S"}, OtherType{21, "IQ3_S"},   OtherType{22, "IQ2_S"},
    OtherType{24, "I8"},      OtherType{25, "I16"},   OtherType{26, "I32"},     OtherType{27, "I64"},
    OtherType{28, "F64"},     OtherType{29, "IQ1_M"}, OtherType{34, "TQ1_0"},   OtherType{35, "TQ2_0"},
    OtherType{39, "MXFP4"},
};

unsigned byte_at(const std::byte* p, std::size_t at) { return std::to_integer<unsigned>(p[at]); }

std::uint16_t word_at(const std::byte* p) {
  return static_cast<std::uint16_t>(byte_at(p, 0) | byte_at(p, 1) << 8);
}

float f16_at(const std::byte* p) { return base::from_f16(word_at(p)); }

// Codes of 4 bits: the first 16 elements are the lower halves of the bytes, the others the upper ones.
using Codes = std::array<std::uint8_t, kSmall>;
Codes halves_at(const std::byte* p) {
  Codes codes;
  for (std::size_t i = 0; i < kSmall / 2; ++i) {
    codes[i] = static_cast<std::uint8_t>(byte_at(p, i) & 15U);
    codes[i + kSmall / 2] = static_cast<std::uint8_t>(byte_at(p, i) >> 4);
  }
  return codes;
}

// The same with a fifth bit each, from the four bytes `high`.
Codes codes5_at(const std::byte* high, const std::byte* p) {
  Codes codes = halves_at(p);
  const std::uint32_t bits =
      static_cast<std::uint32_t>(word_at(high)) | static_cast<std::uint32_t>(word_at(high + 2)) << 16;
  for (std::size_t i = 0; i < kSmall; ++i) codes[i] |= static_cast<std::uint8_t>((bits >> i & 1U) << 4);
  return codes;
}

// d, 16 bytes of halves
void decode_q4_0(const std::byte* p, float* out) {
  const float d = f16_at(p);
  const Codes codes = halves_at(p + 2);
  for (std::size_t i = 0; i < kSmall; ++i) out[i] = d * static_cast<float>(codes[i] - 8);
}

// d, m, 16 bytes of halves
void decode_q4_1(const std::byte* p, float* out) {
  const float d = f16_at(p), m = f16_at(p + 2);
  const Codes codes = halves_at(p + 4);
  for (std::size_t i = 0; i < kSmall; ++i) out[i] = d * static_cast<float>(codes[i]) + m;
}

// d, 4 bytes of fifth bits, 16 bytes of halves
void decode_q5_0(const std::byte* p, float* out) {
  const float d = f16_at(p);
  const Codes codes = codes5_at(p + 2, p + 6);
  for (std::size_t i = 0; i < kSmall; ++i) out[i] = d * static_cast<float>(codes[i] - 16);
}

// d, m, 4 bytes of fifth bits, 16 bytes of halves
void decode_q5_1(const std::byte* p, float* out) {
  const float d = f16_at(p), m = f16_at(p + 2);
  const Codes codes = codes5_at(p + 4, p + 8);
  for (std::size_t i = 0; i < kSmall; ++i) out[i] = d * static_cast<float>(codes[i]) + m;
}

// d, 32 signed bytes
void decode_q8_0(const std::byte* p, float* out) {
  const float d = f16_at(p);
  for (std::size_t i = 0; i < kSmall; ++i)
    out[i] = static_cast<float>(static_cast<std::int8_t>(byte_at(p + 2, i))) * d;
}

// What the 16 codes of IQ4_NL and IQ4_XS stand for: near to each other where weights are frequent.
constexpr std::array<float, 16> kBellCurve = {-127, -104, -83, -65, -49, -35, -22, -10,
                                              1,    13,   25,  38,  53,  69,  89,  113};

// 16 bytes of halves, times the step
void decode_bell_curve(float step, const std::byte* p, float* out) {
  const Codes codes = halves_at(p);
  for (std::size_t i = 0; i < kSmall; ++i) out[i] = step * kBellCurve[codes[i]];
}

// d, 16 bytes of halves
void decode_iq4_nl(const std::byte* p, float* out) { decode_bell_curve(f16_at(p), p + 2, out); }

// d, the upper two bits of eight scales, 4 bytes of their lower halves, 128 bytes of halves: 16 for every 32
// elements.
void decode_iq4_xs(const std::byte* p, float* out) {
  const float d = f16_at(p);
  const unsigned high = word_at(p + 2);
  for (std::size_t j = 0; j < kLarge / 32; ++j) {
    const unsigned scale = (byte_at(p + 4, j / 2) >> 4 * (j % 2) & 15U) | (high >> 2 * j & 3U) << 4;
    decode_bell_curve(d * (static_cast<float>(scale) - 32.0F), p + 8 + 16 * j, out + 32 * j);
  }
}

// The code of 2 bits of an element of Q2_K and Q3_K: each half of the block has four times 32 elements, which
// share 32 bytes.
unsigned pair_of_bits(const std::byte* codes, std::size_t at) {
  return byte_at(codes, at / 128 * 32 + at % 32) >> 2 * (at / 32 % 4) & 3U;
}

// For every 16 elements a byte of a scale and, above it, a minimum; 64 bytes of pairs of bits; d, dmin.
void decode_q2_k(const std::byte* p, float* out) {
  const float d = f16_at(p + 80), dmin = f16_at(p + 82);
  for (std::size_t at = 0; at < kLarge; ++at) {
    const unsigned part = byte_at(p, at / 16);
    const float step = d * static_cast<float>(part & 15U), min = dmin * static_cast<float>(part >> 4);
    out[at] = step * static_cast<float>(pair_of_bits(p + 16, at)) - min;
  }
}

// 32 bytes of third bits, one bit of each byte for every 32 elements, which take 4 away where they are 0; 64
// bytes of pairs of bits; 12 bytes of scales around 32 for every 16 elements: the lower halves of eight, of
// the other eight above these, and then upper pairs, of every fourth scale in a byte; d.
void decode_q3_k(const std::byte* p, float* out) {
  const std::byte* scales = p + 96;
  const float d = f16_at(p + 108);
  for (std::size_t at = 0; at < kLarge; ++at) {
    const std::size_t j = at / 16;
    const unsigned scale =
        (byte_at(scales, j % 8) >> 4 * (j / 8) & 15U) | (byte_at(scales, 8 + j % 4) >> 2 * (j / 4) & 3U) << 4;
    const float step = d * (static_cast<float>(scale) - 32.0F);
    const bool is_high = (byte_at(p, at % 32) >> at / 32 & 1U) != 0;
    out[at] = step * (static_cast<float>(pair_of_bits(p + 32, at)) - (is_high ? 0.0F : 4.0F));
  }
}

// The scale and the minimum of 32 elements of Q4_K and Q5_K, 6 bits each. The 12 bytes: the low 6 bits of the
// first four scales, the same of the first four minima, then both of the last four in 4 bits each; these have
// their upper two bits above the low 6 of the first eight bytes.
struct ScaleAndMin {
  float scale, min;
};
ScaleAndMin scale_and_min(const std::byte* s, std::size_t j) {
  if (j < 4) return {static_cast<float>(byte_at(s, j) & 63U), static_cast<float>(byte_at(s, j + 4) & 63U)};
  const unsigned scale = (byte_at(s, j + 4) & 15U) | byte_at(s, j - 4) >> 6 << 4;
  const unsigned min = byte_at(s, j + 4) >> 4 | byte_at(s, j) >> 6 << 4;
  return {static_cast<float>(scale), static_cast<float>(min)};
}

// d, dmin, 12 bytes of scales and minima; Q5_K: 32 bytes of fifth bits, one bit of each byte for every 32
// elements; 128 bytes of halves, 32 bytes for every 64 elements.
void decode_q4_q5_k(const std::byte* p, bool has_fifth_bit, float* out) {
  const float d = f16_at(p), dmin = f16_at(p + 2);
  const std::byte* scales = p + 4;
  const std::byte* high = p + 16;
  const std::byte* codes = has_fifth_bit ? high + 32 : high;
  for (std::size_t j = 0; j < kLarge / 32; ++j) {
    const ScaleAndMin part = scale_and_min(scales, j);
    const float step = d * part.scale, min = dmin * part.min;
    for (std::size_t i = 0; i < 32; ++i) {
      unsigned q = byte_at(codes, j / 2 * 32 + i) >> 4 * (j % 2) & 15U;
      if (has_fifth_bit) q |= (byte_at(high, i) >> j & 1U) << 4;
      out[j * 32 + i] = step * static_cast<float>(q) - min;
    }
  }
}

// 128 bytes of halves, 64 bytes of pairs of upper bits, 16 signed scales, d. Each half of the block has four
// times 32 elements: halves of bytes k % 2, the low ones first, and pairs of bits k.
void decode_q6_k(const std::byte* p, float* out) {
  const std::byte* high = p + 128;
  const std::byte* scales = p + 192;
  const float d = f16_at(p + 208);
  for (std::size_t at = 0; at < kLarge; ++at) {
    const std::size_t half = at / 128, k = at / 32 % 4, i = at % 32;
    const unsigned low = byte_at(p, half * 64 + k % 2 * 32 + i) >> 4 * (k / 2) & 15U;
    const unsigned q = low | (byte_at(high, half * 32 + i) >> 2 * k & 3U) << 4;
    const float step = d * static_cast<float>(static_cast<std::int8_t>(byte_at(scales, at / 16)));
    out[at] = step * (static_cast<float>(q) - 32.0F);
  }
}

void decode_block(GgmlType type, const std::byte* p, float* out) {
  switch (type) {
    case GgmlType::kQ4_0:
      return decode_q4_0(p, out);
    case GgmlType::kQ4_1:
      return decode_q4_1(p, out);
    case GgmlType::kQ5_0:
      return decode_q5_0(p, out);
    case GgmlType::kQ5_1:
      return decode_q5_1(p, out);
    case GgmlType::kQ8_0:
      return decode_q8_0(p, out);
    case GgmlType::kIq4Nl:
      return decode_iq4_nl(p, out);
    case GgmlType::kIq4Xs:
      return decode_iq4_xs(p, out);
    case GgmlType::kQ2_K:
      return decode_q2_k(p, out);
    case GgmlType::kQ3_K:
      return decode_q3_k(p, out);
    case GgmlType::kQ4_K:
      return decode_q4_q5_k(p, false, out);
    case GgmlType::kQ5_K:
      return decode_q4_q5_k(p, true, out);
    case GgmlType::kQ6_K:
      return decode_q6_k(p, out);
    case GgmlType::kF32:
    case GgmlType::kF16:
    case GgmlType::kBf16:
      break;  // not in blocks: ggml_decode_row() has done them
  }
}

}  // namespace

const GgmlTraits* ggml_traits(std::uint32_t type) {
  for (const KnownType& known : kTypes) {
    if (known.type == type) return &known.traits;
  }
  return nullptr;
}

std::string_view ggml_type_name(std::uint32_t type) {
  if (const GgmlTraits* traits = ggml_traits(type); traits != nullptr) return traits->name;
  for (const OtherType& other : kOthers) {
    if (other.type == type) return other.name;
  }
  return "";
}

std::size_t ggml_row_bytes(GgmlType type, std::size_t n) {
  const GgmlTraits* traits = ggml_traits(static_cast<std::uint32_t>(type));
  assert(n % traits->block == 0);
  return n / traits->block * traits->bytes;
}

void ggml_decode_row(GgmlType type, const std::byte* row, std::size_t n, float* out) {
  switch (type) {
    case GgmlType::kF32:
      std::memcpy(out, row, n * sizeof(float));
      return;
    case GgmlType::kF16:
      for (std::size_t i = 0; i < n; ++i) out[i] = f16_at(row + 2 * i);
      return;
    case GgmlType::kBf16:
      for (std::size_t i = 0; i < n; ++i) out[i] = base::from_bf16(word_at(row + 2 * i));
      return;
    default:
      break;
  }
  const GgmlTraits* traits = ggml_traits(static_cast<std::uint32_t>(type));
  assert(n % traits->block == 0);
  for (std::size_t at = 0; at < n; at += traits->block, row += traits->bytes)
    decode_block(type, row, out + at);
}

}  // namespace gemvec::formats
