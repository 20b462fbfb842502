// Int8 matrix products of the selected instruction set against exact integer sums, and against plain C++.
#include "kernels/gemm_int8/gemm_int8.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "base/aligned.h"
#include "support/kernel_test.h"

namespace gemvec::kernels {
namespace {

using testing::Random;
using testing::selected_kernels;

enum class Kind { kInt8, kInt6, kInt4 };

// Codes of A and B in the open, and packed as the contract says. Padding holds what would show in the result.
struct Problem {
  std::size_t m, k, group, panels, lda, ldg, ldc;
  Kind kind;
  std::vector<int> a, b;  // [m, k], [k, n] codes
  std::vector<float> a_scales, b_scales, bias;
  base::AlignedBuffer<std::byte> packed;

  Problem(Kind kind, std::size_t m, std::size_t k, std::size_t group, std::size_t panels,
          bool extreme = false)
      : m(m),
        k(k),
        group(group),
        panels(panels),
        lda(k + 8),
        ldg(k / group + 1),
        ldc(panels * kPanel + 5),
        kind(kind),
        packed(std::move(*base::AlignedBuffer<std::byte>::create(panels * panel_bytes()))) {
    Random random(m * 1000003 + k * 1009 + panels);
    const auto code = [&](int limit) {
      if (extreme) return random.uniform() < 0.9 ? limit : -limit;
      return static_cast<int>(std::floor(random.uniform() * (2 * limit + 1))) - limit;
    };
    a.resize(m * k);
    for (int& x : a) x = code(127);
    a_scales.resize(m * k / group);
    for (float& x : a_scales) x = 0.01F + static_cast<float>(random.uniform());
    b_scales.resize(k / group * columns());
    for (float& x : b_scales) x = 0.01F + static_cast<float>(random.uniform());
    b.resize(k * columns());
    bias.resize(columns());
    for (float& x : bias) x = random.gaussian();
    std::memset(packed.data(), 0, panels * panel_bytes());
    if (kind == Kind::kInt8) pack_int8(code);
    if (kind == Kind::kInt6) pack_int6(code);
    if (kind == Kind::kInt4) pack_int4(random, extreme);
    for (std::size_t j = 0; j < columns(); ++j) {
      std::memcpy(panel_of(j) + panel_bytes() - kPanelBias + j % kPanel * 4, &bias[j], 4);
    }
  }

  [[nodiscard]] std::size_t columns() const { return panels * kPanel; }
  [[nodiscard]] std::size_t panel_bytes() const {
    return kind == Kind::kInt8   ? panel_bytes_int8(k, group)
           : kind == Kind::kInt6 ? panel_bytes_int6(k, group)
                                 : panel_bytes_int4(k, group);
  }
  std::byte* panel_of(std::size_t column) { return packed.data() + column / kPanel * panel_bytes(); }
  void pack_scales(std::size_t offset) {
    for (std::size_t g = 0; g < k / group; ++g) {
      for (std::size_t j = 0; j < columns(); ++j) {
        std::memcpy(panel_of(j) + offset + (g * kPanel + j % kPanel) * 4, &b_scales[g * columns() + j], 4);
      }
    }
  }
  template <class Code>
  void pack_int8(Code&& code) {
    for (std::size_t p = 0; p < k; ++p) {
      for (std::size_t j = 0; j < columns(); ++j) {
        b[p * columns() + j] = code(127);
        panel_of(j)[(p / 4 * kPanel + j % kPanel) * 4 + p % 4] =
            static_cast<std::byte>(b[p * columns() + j] + 128);
      }
    }
    pack_scales(panel_codes_int8(k));
  }
  template <class Code>
  void pack_int6(Code&& code) {
    for (std::size_t p = 0; p < k; ++p) {
      for (std::size_t j = 0; j < columns(); ++j) {
        b[p * columns() + j] = code(31);
        const int bits = b[p * columns() + j] + kInt6Zero;
        std::byte* panel = panel_of(j);
        panel[(p / 8 * kPanel + j % kPanel) * 4 + p % 4] |=
            static_cast<std::byte>((bits & 15) << (p % 8 < 4 ? 0 : 4));
        panel[panel_low_int6(k) + (p / 16 * kPanel + j % kPanel) * 4 + p % 4] |=
            static_cast<std::byte>(bits >> 4 << (p % 16 / 4 * 2));
      }
    }
    pack_scales(panel_codes_int6(k));
  }
  // Any sub with any zero whose codes are all within -127..127.
  static std::byte random_step(Random& random) {
    const int sub = 1 + static_cast<int>(random.uniform() * 15);
    int zero = static_cast<int>(random.uniform() * 16);
    while (zero * sub > 127 || (15 - zero) * sub > 127) zero = 7 + static_cast<int>(random.uniform() * 2);
    return static_cast<std::byte>(sub + 16 * zero);
  }
  void pack_int4(Random& random, bool extreme) {
    for (std::size_t p = 0; p < k; ++p) {
      for (std::size_t j = 0; j < columns(); ++j) {
        std::byte& step = panel_of(j)[panel_codes_int4(k) + p / kStepGroup * kPanel + j % kPanel];
        if (p % kStepGroup == 0) step = extreme ? std::byte{15 + 16 * 8} : random_step(random);
        const int half =
            extreme ? (random.uniform() < 0.9 ? 0 : 15) : static_cast<int>(random.uniform() * 16);
        b[p * columns() + j] = (half - (static_cast<int>(step) >> 4)) * (static_cast<int>(step) & 15);
        panel_of(j)[(p / 8 * kPanel + j % kPanel) * 4 + p % 4] |=
            static_cast<std::byte>(p % 8 < 4 ? half : half << 4);
      }
    }
    pack_scales(panel_codes_int4(k) + panel_steps(k));
  }

  // Rows first..first + rows - 1 of C, with NaN where nothing may be written.
  [[nodiscard]] std::vector<float> run(const KernelTable& kernels, std::size_t first,
                                       std::size_t rows) const {
    const std::size_t width = kernels.gemm_int8->code_bytes;
    std::vector<std::byte> codes(m * lda * width, std::byte{0x7F});
    std::vector<RowGroup> groups(m * ldg, RowGroup{NAN, 1 << 30});
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t p = 0; p < k; ++p) {
        const auto wide = static_cast<std::int16_t>(a[i * k + p]);
        const auto narrow = static_cast<std::int8_t>(wide);
        std::memcpy(&codes[(i * lda + p) * width], width == 1 ? static_cast<const void*>(&narrow) : &wide,
                    width);
      }
      for (std::size_t g = 0; g < k / group; ++g) {
        int sum = 0;
        for (std::size_t p = g * group; p < (g + 1) * group; ++p) sum += a[i * k + p];
        groups[i * ldg + g] = {a_scales[i * (k / group) + g], kFloatBits - 128 * sum};
      }
    }
    auto scratch = std::move(*base::AlignedBuffer<std::byte>::create(gemm_int8_scratch_bytes(k)));
    std::vector<float> c(m * ldc, NAN);
    GemmInt8Args args;
    args.a = codes.data() + first * lda * width;
    args.lda = lda;
    args.a_groups = groups.data() + first * ldg;
    args.ldg = ldg;
    args.b = packed.data();
    args.c = c.data() + first * ldc;
    args.ldc = ldc;
    args.m = rows;
    args.k = k;
    args.group = group;
    args.panels = panels;
    args.scratch = scratch.data();
    const GemmInt8Kernels& gemm = *kernels.gemm_int8;
    (kind == Kind::kInt8 ? gemm.int8 : kind == Kind::kInt6 ? gemm.int6 : gemm.int4)(args);
    return c;
  }

  // The sum over groups in double precision, and the magnitude that its roundings are relative to.
  [[nodiscard]] std::pair<double, double> exact(std::size_t i, std::size_t j) const {
    double sum = bias[j], magnitude = std::abs(sum);
    for (std::size_t g = 0; g < k / group; ++g) {
      long dot = 0;
      for (std::size_t p = g * group; p < (g + 1) * group; ++p) dot += a[i * k + p] * b[p * columns() + j];
      const double term =
          static_cast<double>(dot) * a_scales[i * (k / group) + g] * b_scales[g * columns() + j];
      sum += term;
      magnitude += std::abs(term);
    }
    return {sum, magnitude};
  }
};

// Integer sums are exact, and exact as fp32 only below 2^24: each group's term has up to three roundings (of
// the sum, of the scales' product, of their product) and one in the accumulator.
void check(Kind kind, std::size_t m, std::size_t k, std::size_t group, std::size_t panels,
           bool extreme = false) {
  const Problem p(kind, m, k, group, panels, extreme);
  const std::vector<float> c = p.run(selected_kernels(), 0, m);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < p.columns(); ++j) {
      const auto [expected, magnitude] = p.exact(i, j);
      const double tolerance = static_cast<double>(k / group + 3) * 0x1p-24 * magnitude;
      ASSERT_NEAR(c[i * p.ldc + j], expected, tolerance) << "row " << i << " column " << j << " of m=" << m;
    }
    for (std::size_t j = p.columns(); j < p.ldc; ++j) ASSERT_TRUE(std::isnan(c[i * p.ldc + j]));
  }
}

class GemmInt8 : public ::testing::TestWithParam<Kind> {};

TEST_P(GemmInt8, IsExactForEveryTileHeight) {
  for (std::size_t m = 1; m <= 50; ++m) check(GetParam(), m, 128, 64, 2);
}

TEST_P(GemmInt8, IsExactOnTheModelsShapes) {
  check(GetParam(), 17, 768, 128, 3);
  check(GetParam(), 5, 1152, 128, 2);
}

TEST_P(GemmInt8, IsExactForEveryGroupSize) {
  for (const std::size_t group : {32U, 64U, 128U}) check(GetParam(), 7, 384, group, 1);
}

TEST_P(GemmInt8, TakesTheSmallestProblem) { check(GetParam(), 1, 32, 32, 1); }

// Codes of 127 against bytes of 255 everywhere: where instructions saturate, this shows it.
TEST_P(GemmInt8, NeverSaturates) { check(GetParam(), 13, 1152, 128, 1, true); }

TEST_P(GemmInt8, GivesARowTheSameBitsInAnyCompany) {
  constexpr std::size_t kRows = 23;
  const Problem p(GetParam(), kRows, 256, 128, 2);
  const std::vector<float> all = p.run(selected_kernels(), 0, kRows);
  for (std::size_t first = 0; first < kRows; ++first) {
    for (const std::size_t rows : {std::size_t{1}, std::size_t{2}, std::size_t{6}, kRows - first}) {
      if (first + rows > kRows) continue;
      const std::vector<float> some = p.run(selected_kernels(), first, rows);
      for (std::size_t i = first; i < first + rows; ++i) {
        ASSERT_EQ(0, std::memcmp(&all[i * p.ldc], &some[i * p.ldc], p.columns() * sizeof(float)))
            << "row " << i << " among " << rows << " rows from " << first;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, GemmInt8, ::testing::Values(Kind::kInt8, Kind::kInt6, Kind::kInt4),
                         [](const auto& info) -> std::string {
                           return info.param == Kind::kInt8   ? "Int8"
                                  : info.param == Kind::kInt6 ? "Int6"
                                                              : "Int4";
                         });

}  // namespace
}  // namespace gemvec::kernels
