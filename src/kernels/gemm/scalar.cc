// Matrix products in plain C++: the reference for the other instruction sets, and what runs without
// AVX2.
#include <cstring>

#include "kernels/gemm/gemm.h"

namespace gemvec::kernels {
namespace {

// Rows per pass over a panel. The compiler may run the columns of a row four at a time in SSE2 registers,
// which changes no bit: each column has its own sum. 4 rows x 8 columns of the inner loop fill half of the 16
// registers, two steps of B and a broadcast the rest.
constexpr std::size_t kRows = 4;
constexpr std::size_t kColumns = 8;

struct Sums {
  float values[kRows][kColumns] = {};

  // One step of k: a column of A (rows lda apart) times a row of B.
  void add(const float* a, std::size_t lda, std::size_t rows, const float (&b)[kColumns]) {
    for (std::size_t r = 0; r < rows; ++r) {
      const float x = a[r * lda];
      for (std::size_t j = 0; j < kColumns; ++j) values[r][j] += x * b[j];
    }
  }
};

struct PanelF32 {
  using B = float;
  static constexpr std::size_t kPerColumn = 1;
  static void run(const float* a, std::size_t lda, std::size_t rows, const float* b, std::size_t k,
                  Sums& sums) {
    for (std::size_t p = 0; p < k; ++p) {
      float row[kColumns];
      std::memcpy(row, b + p * kPanel, sizeof(row));
      sums.add(a + p, lda, rows, row);
    }
  }
};

// Pairs of bf16: a pair is one 32-bit word, of which each half, moved to the top, is an fp32.
struct PanelBf16 {
  using B = std::uint16_t;
  static constexpr std::size_t kPerColumn = 2;
  static void run(const float* a, std::size_t lda, std::size_t rows, const std::uint16_t* b, std::size_t k,
                  Sums& sums) {
    for (std::size_t p = 0; p < k; p += 2) {
      std::uint32_t pairs[kColumns];
      std::uint32_t halves[2][kColumns];
      float row[2][kColumns];
      std::memcpy(pairs, b + p * kPanel, sizeof(pairs));
      for (std::size_t j = 0; j < kColumns; ++j) {
        halves[0][j] = pairs[j] << 16U;
        halves[1][j] = pairs[j] & 0xFFFF0000U;
      }
      std::memcpy(row, halves, sizeof(row));
      sums.add(a + p, lda, rows, row[0]);
      sums.add(a + p + 1, lda, rows, row[1]);
    }
  }
};

template <class Panel>
void multiply(const GemmArgs& args) {
  for (std::size_t panel = 0; panel < args.panels; ++panel) {
    const auto* b = static_cast<const typename Panel::B*>(args.b) + panel * args.b_panel_stride;
    for (std::size_t row = 0; row < args.m; row += kRows) {
      const std::size_t rows = args.m - row < kRows ? args.m - row : kRows;
      const float* a = static_cast<const float*>(args.a) + row * args.lda;
      for (std::size_t column = 0; column < kPanel; column += kColumns) {
        Sums sums;
        if (rows == kRows) {
          Panel::run(a, args.lda, kRows, b + column * Panel::kPerColumn, args.k,
                     sums);  // a constant: unrolled
        } else {
          Panel::run(a, args.lda, rows, b + column * Panel::kPerColumn, args.k, sums);
        }
        float* c = args.c + row * args.ldc + panel * kPanel + column;
        for (std::size_t r = 0; r < rows; ++r)
          std::memcpy(c + r * args.ldc, sums.values[r], sizeof(sums.values[r]));
      }
    }
  }
}

double peak(std::size_t iterations, float* sink) {
  constexpr int kChains = 16;
  float acc[kChains] = {};
  const float a = 0.999F;
  const float b = *sink;
  for (std::size_t n = 0; n < iterations; ++n) {
    for (float& x : acc) x = x * a + b;
  }
  for (const float x : acc) *sink += x;
  return 2.0 * static_cast<double>(iterations) * kChains;
}

}  // namespace

const GemmKernels kGemmScalar = {
    .f32 = multiply<PanelF32>,
    .bf16_wide = multiply<PanelBf16>,
    .bf16 = nullptr,
    .peak_f32 = peak,
    .peak_bf16 = nullptr,
};

}  // namespace gemvec::kernels
