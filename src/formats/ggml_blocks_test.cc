// Blocks of GGUF files: layouts by hand, and encoders that lose nothing where nothing need be lost. That all
// decoders give the reference's bits is tested in tests/gguf, against the reference itself.
#include "formats/ggml_blocks.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "base/numbers.h"
#include "support/random.h"

namespace gemvec::formats {
namespace {

constexpr GgmlType kAll[] = {GgmlType::kF32,  GgmlType::kF16,   GgmlType::kBf16, GgmlType::kQ4_0,
                             GgmlType::kQ4_1, GgmlType::kQ5_0,  GgmlType::kQ5_1, GgmlType::kQ8_0,
                             GgmlType::kQ2_K, GgmlType::kQ3_K,  GgmlType::kQ4_K, GgmlType::kQ5_K,
                             GgmlType::kQ6_K, GgmlType::kIq4Nl, GgmlType::kIq4Xs};

using Bytes = std::vector<std::byte>;

Bytes bytes_of(std::initializer_list<int> values, std::size_t size) {
  Bytes bytes(size);
  std::size_t at = 0;
  for (const int value : values) bytes[at++] = static_cast<std::byte>(value);
  return bytes;
}

std::vector<float> decode(GgmlType type, const Bytes& row) {
  const auto* traits = ggml_traits(static_cast<std::uint32_t>(type));
  std::vector<float> out(row.size() / traits->bytes * traits->block);
  ggml_decode_row(type, row.data(), out.size(), out.data());
  return out;
}

Bytes encode(GgmlType type, const std::vector<float>& x) {
  Bytes out(ggml_row_bytes(type, x.size()));
  ggml_encode_row(type, x.data(), x.size(), out.data());
  return out;
}

TEST(GgmlBlocks, KnowsTypesByNumberAndNameAndSize) {
  const struct {
    std::uint32_t type;
    std::string_view name;
    std::size_t block, bytes;
  } cases[] = {{0, "F32", 1, 4},       {1, "F16", 1, 2},       {30, "BF16", 1, 2},
               {2, "Q4_0", 32, 18},    {3, "Q4_1", 32, 20},    {6, "Q5_0", 32, 22},
               {7, "Q5_1", 32, 24},    {8, "Q8_0", 32, 34},    {10, "Q2_K", 256, 84},
               {11, "Q3_K", 256, 110}, {12, "Q4_K", 256, 144}, {13, "Q5_K", 256, 176},
               {14, "Q6_K", 256, 210}, {20, "IQ4_NL", 32, 18}, {23, "IQ4_XS", 256, 136}};
  for (const auto& expected : cases) {
    const GgmlTraits* traits = ggml_traits(expected.type);
    ASSERT_NE(traits, nullptr) << expected.name;
    EXPECT_EQ(traits->name, expected.name);
    EXPECT_EQ(traits->block, expected.block);
    EXPECT_EQ(traits->bytes, expected.bytes);
    EXPECT_EQ(ggml_row_bytes(static_cast<GgmlType>(expected.type), 512),
              512 / expected.block * expected.bytes);
  }
  EXPECT_EQ(ggml_traits(21), nullptr);
  EXPECT_EQ(ggml_type_name(21), "IQ3_S");
  EXPECT_EQ(ggml_type_name(4), "");
  EXPECT_EQ(ggml_traits(0xFFFFFFFF), nullptr);
}

// 0x3C00 is 1 as fp16, 0x3800 is 0.5.
TEST(GgmlBlocks, DecodesBlocksOf32ByHand) {
  auto q4 = decode(GgmlType::kQ4_0, bytes_of({0x00, 0x38, 0xF0, 0x9A}, 18));
  EXPECT_EQ(q4[0], -4.0F);  // (0 - 8) / 2
  EXPECT_EQ(q4[1], 1.0F);   // (10 - 8) / 2
  EXPECT_EQ(q4[16], 3.5F);
  EXPECT_EQ(q4[17], 0.5F);
  auto q41 = decode(GgmlType::kQ4_1, bytes_of({0x00, 0x38, 0x00, 0x3C, 0xF0, 0x9A}, 20));
  EXPECT_EQ(q41[0], 1.0F);
  EXPECT_EQ(q41[1], 6.0F);
  EXPECT_EQ(q41[16], 8.5F);
  EXPECT_EQ(q41[17], 5.5F);
  // Bits 0 and 17 of the fifth bits.
  auto q5 = decode(GgmlType::kQ5_0, bytes_of({0x00, 0x38, 0x01, 0x00, 0x02, 0x00, 0xF0, 0x9A}, 22));
  EXPECT_EQ(q5[0], 0.0F);   // (16 - 16) / 2
  EXPECT_EQ(q5[1], -3.0F);  // (10 - 16) / 2
  EXPECT_EQ(q5[16], -0.5F);
  EXPECT_EQ(q5[17], 4.5F);  // (25 - 16) / 2
  auto q51 =
      decode(GgmlType::kQ5_1, bytes_of({0x00, 0x38, 0x00, 0x3C, 0x01, 0x00, 0x02, 0x00, 0xF0, 0x9A}, 24));
  EXPECT_EQ(q51[0], 9.0F);
  EXPECT_EQ(q51[17], 13.5F);
  auto q8 = decode(GgmlType::kQ8_0, bytes_of({0x00, 0x38, 0x80, 0x7F, 0xFF}, 34));
  EXPECT_EQ(q8[0], -64.0F);
  EXPECT_EQ(q8[1], 63.5F);
  EXPECT_EQ(q8[2], -0.5F);
}

TEST(GgmlBlocks, DecodesBlocksOf256ByHand) {
  // d = 1, dmin = 0.5. Scale and minimum 1 are 63 and 2; those of 4 are 0b110101 and 0b011010.
  Bytes q4 = bytes_of({0x00, 0x3C, 0x00, 0x38}, 144);
  q4[4 + 1] = std::byte{63};
  q4[4 + 5] = std::byte{2};
  q4[4 + 0] = std::byte{0b11000000};
  q4[4 + 4] = std::byte{0b01000000};
  q4[4 + 8] = std::byte{0b10100101};
  q4[16 + 3] = std::byte{0x70};       // element 32 + 3
  q4[16 + 64 + 9] = std::byte{0x05};  // element 128 + 9
  auto out = decode(GgmlType::kQ4_K, q4);
  EXPECT_EQ(out[32 + 3], 63.0F * 7 - 1);
  EXPECT_EQ(out[32 + 4], -1.0F);
  EXPECT_EQ(out[128 + 9], 53.0F * 5 - 13);
  EXPECT_EQ(out[0], 0.0F);
  Bytes q5(176);
  std::copy(q4.begin(), q4.begin() + 16, q5.begin());
  q5[16 + 3] = std::byte{0b00000010};  // the fifth bit of element 32 + 3
  q5[48 + 3] = std::byte{0x70};
  out = decode(GgmlType::kQ5_K, q5);
  EXPECT_EQ(out[32 + 3], 63.0F * 23 - 1);
  EXPECT_EQ(out[3], 0.0F);
  // d = 1; scale 11 is -3 and belongs to elements 176..191: half 1, k = 1, upper 16 of 32.
  Bytes q6(210);
  q6[209] = std::byte{0x3C};
  q6[192 + 11] = static_cast<std::byte>(-3);
  q6[64 + 32 + 20] = std::byte{0x0B};         // low bits: half 1, odd k, lower halves, i = 20
  q6[128 + 32 + 20] = std::byte{0b00001000};  // upper pair of k = 1
  out = decode(GgmlType::kQ6_K, q6);
  EXPECT_EQ(out[128 + 32 + 20], -3.0F * (0x2B - 32));
  EXPECT_EQ(out[128 + 32 + 21], 96.0F);
  EXPECT_EQ(out[128 + 32 + 4], 0.0F);
}

TEST(GgmlBlocks, DecodesCodesOfFewBitsByHand) {
  // Element 128 + 64 + 20: half 1, pair 2, scale 13. Its step is 0.5 * 9, its minimum 1 * 3.
  Bytes q2(84);
  q2[13] = std::byte{0x39};
  q2[16 + 32 + 20] = std::byte{0b00100000};
  q2[81] = std::byte{0x38};
  q2[83] = std::byte{0x3C};
  auto out = decode(GgmlType::kQ2_K, q2);
  EXPECT_EQ(out[128 + 64 + 20], 4.5F * 2 - 3);
  EXPECT_EQ(out[128 + 64 + 21], -3.0F);
  EXPECT_EQ(out[128 + 64 + 4], 0.0F);  // scale 12
  // The same element: its scale 13 has its lower half above that of 5, and its upper pair is 3 of byte 8 + 1.
  Bytes q3(110);
  q3[96 + 5] = std::byte{0x70};
  q3[96 + 9] = std::byte{0b10000000};
  q3[20] = std::byte{0b01000000};
  q3[32 + 32 + 20] = std::byte{0b00100000};
  q3[109] = std::byte{0x38};
  out = decode(GgmlType::kQ3_K, q3);
  EXPECT_EQ(out[128 + 64 + 20], 0.5F * (0x27 - 32) * 2);
  EXPECT_EQ(out[128 + 64 + 21], 0.5F * (0x27 - 32) * -4);
  auto iq4 = decode(GgmlType::kIq4Nl, bytes_of({0x00, 0x38, 0xF0, 0x87}, 18));
  EXPECT_EQ(iq4[0], -63.5F);
  EXPECT_EQ(iq4[1], -5.0F);
  EXPECT_EQ(iq4[16], 56.5F);
  EXPECT_EQ(iq4[17], 0.5F);
  // Scale 5 is 0b10'1011 - 32; elements 160..191.
  Bytes xs(136);
  xs[1] = std::byte{0x38};
  xs[2 + 1] = std::byte{0b00001000};
  xs[4 + 2] = std::byte{0xB0};
  xs[8 + 80 + 3] = std::byte{0xF1};
  out = decode(GgmlType::kIq4Xs, xs);
  EXPECT_EQ(out[160 + 3], 0.5F * 11 * -104);
  EXPECT_EQ(out[160 + 19], 0.5F * 11 * 113);
  EXPECT_EQ(out[0], 0.5F * -32 * -127);
}

TEST(GgmlBlocks, DecodesRowsAtAnyAddress) {
  testing::Random random(5);
  for (const GgmlType type : kAll) {
    Bytes row(1 + ggml_row_bytes(type, 512));
    for (std::byte& byte : row) byte = static_cast<std::byte>(random.next() & 0x3F);  // scales stay finite
    const Bytes aligned(row.begin() + 1, row.end());
    std::vector<float> at_odd(512), at_even(512);
    ggml_decode_row(type, row.data() + 1, 512, at_odd.data());
    ggml_decode_row(type, aligned.data(), 512, at_even.data());
    EXPECT_EQ(std::memcmp(at_odd.data(), at_even.data(), 512 * sizeof(float)), 0);
  }
}

TEST(GgmlBlocks, EncodesPlainNumbers) {
  const std::vector<float> x = {1.0F, -2.5F, 0.1F, 1e-6F, 65504.0F};
  EXPECT_EQ(decode(GgmlType::kF32, encode(GgmlType::kF32, x)), x);
  const auto f16 = decode(GgmlType::kF16, encode(GgmlType::kF16, x));
  const auto bf16 = decode(GgmlType::kBf16, encode(GgmlType::kBf16, x));
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(f16[i], base::from_f16(base::to_f16(x[i])));
    EXPECT_EQ(bf16[i], base::from_bf16(base::to_bf16(x[i])));
  }
}

// The definition, one number at a time: d = extreme / -8 in fp32, rounded to fp16 only when it is written.
TEST(GgmlBlocks, RoundsToQ4AsTheReferenceDoes) {
  testing::Random random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<float> x(32);
    for (float& value : x)
      value = static_cast<float>(static_cast<double>(random.next() >> 11) * 0x1p-53 - 0.5);
    float extreme = 0;
    for (const float value : x) extreme = std::fabs(value) > std::fabs(extreme) ? value : extreme;
    const float d = extreme / -8, inverse = 1 / d;
    const Bytes block = encode(GgmlType::kQ4_0, x);
    const std::uint16_t word = base::to_f16(d);
    EXPECT_EQ(block[0], static_cast<std::byte>(word & 255));
    EXPECT_EQ(block[1], static_cast<std::byte>(word >> 8));
    for (std::size_t i = 0; i < 32; ++i) {
      const int expected = std::min(15, static_cast<int>(x[i] * inverse + 8.5F));
      const int code = std::to_integer<int>(block[2 + i % 16]) >> (i < 16 ? 0 : 4) & 15;
      EXPECT_EQ(code, expected);
    }
  }
}

TEST(GgmlBlocks, RoundsToQ8AsTheReferenceDoes) {
  testing::Random random(8);
  for (int round = 0; round < 200; ++round) {
    std::vector<float> x(32);
    for (float& value : x)
      value = static_cast<float>(static_cast<double>(random.next() >> 11) * 0x1p-53 - 0.5);
    float largest = 0;
    for (const float value : x) largest = std::max(largest, std::fabs(value));
    const float d = largest / 127, inverse = 1 / d;
    const Bytes block = encode(GgmlType::kQ8_0, x);
    EXPECT_EQ(block[0], static_cast<std::byte>(base::to_f16(d) & 255));
    for (std::size_t i = 0; i < 32; ++i) {
      EXPECT_EQ(static_cast<std::int8_t>(block[2 + i]), static_cast<int>(std::round(x[i] * inverse)));
    }
  }
}

// Numbers d * q with a random fp16 d of either sign and codes whose largest is `peak`, somewhere.
std::vector<float> on_grid(testing::Random& random, int low, int high, int peak) {
  const std::uint16_t word = static_cast<std::uint16_t>(0x2000 + random.next() % 0x1000);  // 2^-7 and below
  const float d = base::from_f16(word) * (random.next() % 2 == 0 ? 1.0F : -1.0F);
  std::vector<float> x(32);
  for (float& value : x) {
    const int span = std::min(high, std::abs(peak)) - std::max(low, -std::abs(peak)) + 1;
    const int q =
        std::max(low, -std::abs(peak)) + static_cast<int>(random.next() % static_cast<unsigned>(span));
    value = d * static_cast<float>(q);
  }
  x[random.next() % 32] = d * static_cast<float>(peak);
  return x;
}

TEST(GgmlBlocks, LosesNothingOfWeightsOnQ4sGrid) {
  testing::Random random(9);
  for (int peak = -8; peak <= 7; ++peak) {
    if (peak == 0) continue;
    for (int round = 0; round < 100; ++round) {
      const auto x = on_grid(random, -8, 7, peak);
      EXPECT_EQ(decode(GgmlType::kQ4_0, encode(GgmlType::kQ4_0, x)), x) << "largest code " << peak;
    }
  }
}

TEST(GgmlBlocks, LosesNothingOfWeightsOnQ8sGrid) {
  testing::Random random(10);
  for (int peak = 1; peak <= 127; ++peak) {
    for (int round = 0; round < 10; ++round) {
      for (const int signed_peak : {peak, -peak}) {
        const auto x = on_grid(random, -127, 127, signed_peak);
        EXPECT_EQ(decode(GgmlType::kQ8_0, encode(GgmlType::kQ8_0, x)), x) << "largest code " << signed_peak;
      }
    }
  }
}

TEST(GgmlBlocks, KeepsWhatADecodedBlockHolds) {
  testing::Random random(11);
  for (const GgmlType type : {GgmlType::kQ4_0, GgmlType::kQ8_0}) {
    for (int round = 0; round < 500; ++round) {
      std::vector<float> x(32);
      for (float& value : x)
        value = static_cast<float>(static_cast<double>(random.next() >> 11) * 0x1p-53 - 0.5);
      const auto once = decode(type, encode(type, x));
      EXPECT_EQ(decode(type, encode(type, once)), once);
    }
  }
}

// Zeros, numbers that fp16 scales cannot reach, and ones below them: something sensible, and nothing
// undefined.
TEST(GgmlBlocks, EncodesExtremeBlocks) {
  const std::vector<float> zeros(32);
  const float tiny = std::numeric_limits<float>::denorm_min(), huge = std::numeric_limits<float>::max();
  for (const GgmlType type : {GgmlType::kQ4_0, GgmlType::kQ8_0}) {
    EXPECT_EQ(decode(type, encode(type, zeros)), zeros);
    EXPECT_EQ(decode(type, encode(type, std::vector<float>(32, tiny))), zeros);
    std::vector<float> mixed(32, 1.0F);
    mixed[3] = huge;
    mixed[30] = -huge;
    for (const float value : decode(type, encode(type, mixed))) EXPECT_TRUE(std::isfinite(value));
  }
}

}  // namespace
}  // namespace gemvec::formats
