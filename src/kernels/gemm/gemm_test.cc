// Matrix products of the selected instruction set against double precision.
#include "kernels/gemm/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "support/kernel_test.h"
#include "support/number_types.h"

namespace gemvec::kernels {
namespace {

using testing::from_bf16;
using testing::Random;
using testing::to_bf16;

enum class Kind { kF32, kBf16Wide, kBf16 };

// A problem with padding in every stride, filled with a value that would show in the result if it were read.
struct Problem {
  std::size_t m, k, panels;
  std::size_t lda, ldc, panel_stride;
  std::vector<float> a, b;  // b: [k, n], unpacked
  std::vector<std::uint16_t> a_bf16, b_bf16_packed;
  std::vector<float> b_packed;

  Problem(std::size_t m, std::size_t k, std::size_t panels, bool bf16_a, bool bf16_b)
      : m(m), k(k), panels(panels), lda(k + 6), ldc(panels * kPanel + 5), panel_stride((k + 2) * kPanel) {
    Random random(m * 1000003 + k * 1009 + panels);
    a.assign(m * lda, NAN);
    b.resize(k * panels * kPanel);
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t p = 0; p < k; ++p) {
        const float x = random.gaussian();
        a[i * lda + p] = bf16_a ? from_bf16(to_bf16(x)) : x;
      }
    }
    for (float& x : b) {
      x = random.gaussian();
      if (bf16_b) x = from_bf16(to_bf16(x));
    }
    pack();
  }

  void pack() {
    const std::size_t n = panels * kPanel;
    b_packed.assign(panels * panel_stride, NAN);
    b_bf16_packed.assign(panels * panel_stride, 0x7FC0);  // NaN
    a_bf16.assign(m * lda, 0x7FC0);
    for (std::size_t p = 0; p < k; ++p) {
      for (std::size_t j = 0; j < n; ++j) {
        const std::size_t panel = j / kPanel * panel_stride;
        b_packed[panel + p * kPanel + j % kPanel] = b[p * n + j];
        b_bf16_packed[panel + (p / 2 * kPanel + j % kPanel) * 2 + p % 2] = to_bf16(b[p * n + j]);
      }
    }
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t p = 0; p < k; ++p) a_bf16[i * lda + p] = to_bf16(a[i * lda + p]);
    }
  }

  // Rows first..first + rows - 1 of C, with NaN where nothing may be written.
  [[nodiscard]] std::vector<float> run(GemmFn gemm, Kind kind, std::size_t first, std::size_t rows) const {
    std::vector<float> c(m * ldc, NAN);
    GemmArgs args;
    args.a =
        kind == Kind::kBf16 ? static_cast<const void*>(a_bf16.data() + first * lda) : a.data() + first * lda;
    args.lda = lda;
    args.b = kind == Kind::kF32 ? static_cast<const void*>(b_packed.data()) : b_bf16_packed.data();
    args.b_panel_stride = panel_stride;
    args.c = c.data() + first * ldc;
    args.ldc = ldc;
    args.m = rows;
    args.k = k;
    args.panels = panels;
    gemm(args);
    return c;
  }
};

GemmFn kernel(Kind kind) {
  const GemmKernels& gemm = *testing::selected_kernels().gemm;
  return kind == Kind::kF32 ? gemm.f32 : kind == Kind::kBf16Wide ? gemm.bf16_wide : gemm.bf16;
}

// |error| of a sum of k products in fp32, whatever its order: every product is added with at most k roundings
// of the partial sums, so k * epsilon * sum |a b|; the dot product instruction flushes subnormals, far below
// that.
double tolerance(const Problem& p, std::size_t row, std::size_t column) {
  double magnitude = 0;
  for (std::size_t i = 0; i < p.k; ++i) {
    magnitude += std::abs(static_cast<double>(p.a[row * p.lda + i]) * p.b[i * p.panels * kPanel + column]);
  }
  return static_cast<double>(p.k) * 0x1p-24 * magnitude;
}

void check(Kind kind, std::size_t m, std::size_t k, std::size_t panels) {
  const GemmFn gemm = kernel(kind);
  if (gemm == nullptr) GTEST_SKIP() << "no such instruction here";
  const Problem p(m, k, panels, kind == Kind::kBf16, kind != Kind::kF32);
  const std::vector<float> c = p.run(gemm, kind, 0, m);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < panels * kPanel; ++j) {
      double expected = 0;
      for (std::size_t q = 0; q < k; ++q) {
        expected += static_cast<double>(p.a[i * p.lda + q]) * p.b[q * panels * kPanel + j];
      }
      ASSERT_NEAR(c[i * p.ldc + j], expected, tolerance(p, i, j))
          << "row " << i << " column " << j << " of m=" << m;
    }
    for (std::size_t j = panels * kPanel; j < p.ldc; ++j)
      ASSERT_TRUE(std::isnan(c[i * p.ldc + j])) << "wrote past row";
  }
}

class Gemm : public ::testing::TestWithParam<Kind> {};

TEST_P(Gemm, MatchesDoublePrecisionForEveryTileHeight) {
  for (std::size_t m = 1; m <= 50; ++m) check(GetParam(), m, 64, 2);
}

TEST_P(Gemm, MatchesDoublePrecisionOnTheModelsShapes) {
  check(GetParam(), 18, 768, 3);
  check(GetParam(), 5, 1152, 2);
}

// Whole tiles of 32 steps, and what is left of them.
TEST_P(Gemm, TakesAnyEvenNumberOfSteps) {
  for (std::size_t k = 2; k <= 70; k += 2) check(GetParam(), 35, k, 3);
}

TEST_P(Gemm, TakesTheSmallestProblem) { check(GetParam(), 1, 2, 1); }

// The promise that batch and thread invariance stand on.
TEST_P(Gemm, GivesARowTheSameBitsInAnyCompany) {
  const GemmFn gemm = kernel(GetParam());
  if (gemm == nullptr) GTEST_SKIP() << "no such instruction here";
  constexpr std::size_t kRows = 37;
  const Problem p(kRows, 96, 2, GetParam() == Kind::kBf16, GetParam() != Kind::kF32);
  const std::vector<float> all = p.run(gemm, GetParam(), 0, kRows);
  for (std::size_t first = 0; first < kRows; ++first) {
    for (const std::size_t rows :
         {std::size_t{1}, std::size_t{2}, std::size_t{5}, std::size_t{12}, kRows - first}) {
      if (first + rows > kRows) continue;
      const std::vector<float> some = p.run(gemm, GetParam(), first, rows);
      for (std::size_t i = first; i < first + rows; ++i) {
        ASSERT_EQ(0, std::memcmp(&all[i * p.ldc], &some[i * p.ldc], 2 * kPanel * sizeof(float)))
            << "row " << i << " among " << rows << " rows from " << first;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Gemm, ::testing::Values(Kind::kF32, Kind::kBf16Wide, Kind::kBf16),
                         [](const auto& info) -> std::string {
                           return info.param == Kind::kF32        ? "Fp32"
                                  : info.param == Kind::kBf16Wide ? "Bf16Widened"
                                                                  : "Bf16Dot";
                         });

}  // namespace
}  // namespace gemvec::kernels
