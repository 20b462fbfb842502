// Matrix products in plain C++: the reference for the other instruction sets, and what runs without
// AVX2.
#include <cstring>

#include "kernels/gemm/gemm.h"

namespace gemvec::kernels {
namespace {

// Rows per pass over a panel. The compiler may run the columns of a row four at a time in SSE2 registers,
// which changes no bit: each column has its own sum. 4 rows x 8 columns of the inner loop fill the 16
// registers.
constexpr std::size_t kRows = 4;
constexpr std::size_t kColumns = 8;

float widen(std::uint16_t bf16) {
  const std::uint32_t bits = static_cast<std::uint32_t>(bf16) << 16;
  float out;
  std::memcpy(&out, &bits, sizeof(out));
  return out;
}

struct PanelF32 {
  using B = float;
  static float at(const float* b, std::size_t p, std::size_t column) { return b[p * kPanel + column]; }
};

struct PanelBf16 {
  using B = std::uint16_t;
  static float at(const std::uint16_t* b, std::size_t p, std::size_t column) {
    return widen(b[(p / 2 * kPanel + column) * 2 + p % 2]);
  }
};

// C[rows, kColumns] of one panel.
template <class Panel>
void tile(const float* a, std::size_t lda, std::size_t rows, const typename Panel::B* b, std::size_t column,
          std::size_t k, float* c, std::size_t ldc) {
  float sums[kRows][kColumns] = {};
  for (std::size_t p = 0; p < k; ++p) {
    float values[kColumns];
    for (std::size_t j = 0; j < kColumns; ++j) values[j] = Panel::at(b, p, column + j);
    for (std::size_t r = 0; r < rows; ++r) {
      const float x = a[r * lda + p];
      for (std::size_t j = 0; j < kColumns; ++j) sums[r][j] += x * values[j];
    }
  }
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < kColumns; ++j) c[r * ldc + column + j] = sums[r][j];
  }
}

template <class Panel>
void multiply(const GemmArgs& args) {
  for (std::size_t panel = 0; panel < args.panels; ++panel) {
    const auto* b = static_cast<const typename Panel::B*>(args.b) + panel * args.b_panel_stride;
    for (std::size_t row = 0; row < args.m; row += kRows) {
      const std::size_t rows = args.m - row < kRows ? args.m - row : kRows;
      const float* a = static_cast<const float*>(args.a) + row * args.lda;
      float* c = args.c + row * args.ldc + panel * kPanel;
      for (std::size_t column = 0; column < kPanel; column += kColumns) {
        tile<Panel>(a, args.lda, rows, b, column, args.k, c, args.ldc);
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
