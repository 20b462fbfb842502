// Activations to codes: the selected instruction set's bits against plain C++, and the transform against its
// definition in double precision.
#include "kernels/quantize/quantize.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "support/kernel_test.h"

namespace gemvec::kernels {
namespace {

using testing::Random;
using testing::selected_kernels;

struct Quantized {
  std::vector<int> codes;
  std::vector<RowGroup> groups;
};

Quantized quantize(const KernelTable& kernels, const std::vector<float>& x, std::size_t group,
                   bool rotate = true) {
  const std::size_t width = kernels.gemm_int8->code_bytes;
  std::vector<std::byte> bytes(x.size() * width + 64, std::byte{0x5A});
  Quantized out;
  out.groups.resize(x.size() / group);
  const auto row = rotate ? kernels.quantize->row : kernels.quantize->plain;
  row(x.data(), x.size(), group, bytes.data(), out.groups.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (width == 1) {
      std::int8_t code;
      std::memcpy(&code, &bytes[i], 1);
      out.codes.push_back(code);
    } else {
      std::int16_t code;
      std::memcpy(&code, &bytes[2 * i], 2);
      out.codes.push_back(code);
    }
  }
  for (std::size_t i = x.size() * width; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], std::byte{0x5A});
  return out;
}

std::vector<float> numbers(std::size_t n, double scale, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>(random.gaussian() * scale);
  x[n / 3] *= 100;  // an outlier, as activations have
  return x;
}

class Quantize : public ::testing::TestWithParam<std::size_t> {};

// |code * scale - (H x)_i| is at most half a step plus the transform's roundings: log2(group) additions of
// numbers of at most sum |x|, and two roundings of the scaling, which can carry a tie over.
TEST_P(Quantize, RepresentsTheTransformedGroupToHalfAStep) {
  const std::size_t group = GetParam();
  for (const double scale : {1e-3, 1.0, 3e4}) {
    const auto x = numbers(768, scale, group);
    const Quantized q = quantize(selected_kernels(), x, group);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t first = i / group * group;
      double expected = 0, magnitude = 0;
      for (std::size_t j = 0; j < group; ++j) {
        const bool negative = std::popcount((i - first) & j) % 2 != 0;
        expected += negative ? -static_cast<double>(x[first + j]) : x[first + j];
        magnitude += std::abs(x[first + j]);
      }
      const RowGroup& g = q.groups[i / group];
      const double rounding = 10 * 0x1p-24 * magnitude;
      ASSERT_NEAR(q.codes[i] * static_cast<double>(g.scale), expected, 0.5 * g.scale + rounding)
          << "element " << i;
      ASSERT_LE(std::abs(q.codes[i]), 127);
    }
  }
}

TEST_P(Quantize, WithoutTheTransformIsRoundingAlone) {
  const std::size_t group = GetParam();
  const auto x = numbers(768, 1, group);
  const Quantized q = quantize(selected_kernels(), x, group, false);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float scale = q.groups[i / group].scale;
    ASSERT_NEAR(q.codes[i] * scale, x[i], (0.5F + 0x1p-16F) * scale) << "element " << i;
  }
}

TEST_P(Quantize, GivesTheSameBitsAsPlainCode) {
  for (const double scale : {1e-20, 1.0, 1e5}) {
    const auto x = numbers(1152, scale, 7);
    const Quantized here = quantize(selected_kernels(), x, GetParam());
    const Quantized plain = quantize(kernel_table(cpu::Isa::kScalar), x, GetParam());
    EXPECT_EQ(here.codes, plain.codes);
    for (std::size_t i = 0; i < here.groups.size(); ++i) {
      EXPECT_EQ(here.groups[i].scale, plain.groups[i].scale);
      EXPECT_EQ(here.groups[i].start, plain.groups[i].start);
    }
  }
}

TEST_P(Quantize, UsesTheWholeRangeAndSumsTheCodes) {
  const std::size_t group = GetParam();
  const Quantized q = quantize(selected_kernels(), numbers(768, 1, 9), group);
  for (std::size_t g = 0; g < q.groups.size(); ++g) {
    int top = 0, sum = 0;
    for (std::size_t i = g * group; i < (g + 1) * group; ++i) {
      top = std::max(top, std::abs(q.codes[i]));
      sum += q.codes[i];
    }
    EXPECT_EQ(top, 127);
    EXPECT_EQ(q.groups[g].start, kFloatBits - 128 * sum);
  }
}

TEST_P(Quantize, MakesZerosOfZerosAndOfWhatIsTooSmall) {
  for (const float value : {0.0F, -0.0F, 1e-35F}) {
    const Quantized q = quantize(selected_kernels(), std::vector<float>(256, value), GetParam());
    for (const int code : q.codes) ASSERT_EQ(code, 0);
    for (const RowGroup& g : q.groups) {
      ASSERT_EQ(g.scale, 0);
      ASSERT_EQ(g.start, kFloatBits);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Groups, Quantize, ::testing::Values(32, 64, 128));

}  // namespace
}  // namespace gemvec::kernels
