// The blocked matrix product over a vector type Vec, for the instruction sets that have registers to
// block for. Included by avx2.cc and avx512*.cc after their simd header.
#pragma once

#include "kernels/gemm/gemm.h"
#include "kernels/simd/rows.inl.h"

namespace gemvec::kernels {
namespace {

// Columns that one tile covers; a panel is kPanel / kTileColumns tiles wide.
constexpr std::size_t kTileColumns = Vec::kLanes * Vec::kTileRegs;

// Loops over rows are unrolled by order: where the compiler would not, it keeps the sums in memory.
template <int R>
struct Accumulators {
  Vec acc[R][Vec::kTileRegs];

  Accumulators() {
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      for (int j = 0; j < Vec::kTileRegs; ++j) acc[r][j] = Vec::zero();
    }
  }
  void add(int r, Vec a, const Vec (&b)[Vec::kTileRegs]) {
    for (int j = 0; j < Vec::kTileRegs; ++j) acc[r][j] = Vec::fma(a, b[j], acc[r][j]);
  }
  void load(const float* c, std::size_t ldc) {
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      for (int j = 0; j < Vec::kTileRegs; ++j) {
        acc[r][j] =
            Vec::load(c + static_cast<std::size_t>(r) * ldc + static_cast<std::size_t>(j) * Vec::kLanes);
      }
    }
  }
  void store(float* c, std::size_t ldc) const {
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      for (int j = 0; j < Vec::kTileRegs; ++j) {
        acc[r][j].store(c + static_cast<std::size_t>(r) * ldc + static_cast<std::size_t>(j) * Vec::kLanes);
      }
    }
  }
};

template <int R>
struct TileF32 {
  using A = float;
  using B = float;
  // C[R, kTileColumns] = A[R, k] * B[k, kTileColumns], rows of B kPanel apart.
  static void run(const float* a, std::size_t lda, const float* b, float* c, std::size_t ldc, std::size_t k,
                  const Ahead& next) {
    Rows<float, R> rows(a, lda);
    Accumulators<R> sums;
    const char* ahead = next.at();
    const std::size_t ahead_step = next.step();
    for (std::size_t p = 0; p < k; ++p, b += kPanel, rows.advance(1), ahead += ahead_step) {
      Ahead::ask(ahead);
      Vec column[Vec::kTileRegs];
      for (int j = 0; j < Vec::kTileRegs; ++j)
        column[j] = Vec::load(b + static_cast<std::size_t>(j) * Vec::kLanes);
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) sums.add(r, Vec::set(*rows.at(r)), column);
    }
    sums.store(c, ldc);
  }
};

template <int R>
struct TileBf16Wide {
  using A = float;
  using B = std::uint16_t;
  // The same over pairs of bf16: two steps of k for each row of pairs.
  static void run(const float* a, std::size_t lda, const std::uint16_t* b, float* c, std::size_t ldc,
                  std::size_t k, const Ahead& next) {
    Rows<float, R> rows(a, lda);
    Accumulators<R> sums;
    const char* ahead = next.at();
    const std::size_t ahead_step = next.step();
    for (std::size_t p = 0; p < k; p += 2, b += 2 * kPanel, rows.advance(2), ahead += ahead_step) {
      Ahead::ask(ahead);
      Vec column[Vec::kTileRegs];
      for (int j = 0; j < Vec::kTileRegs; ++j) {
        column[j] = Vec::load_bf16_even(b + static_cast<std::size_t>(j) * 2 * Vec::kLanes);
      }
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) sums.add(r, Vec::set(rows.at(r)[0]), column);
      for (int j = 0; j < Vec::kTileRegs; ++j) {
        column[j] = Vec::load_bf16_odd(b + static_cast<std::size_t>(j) * 2 * Vec::kLanes);
      }
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) sums.add(r, Vec::set(rows.at(r)[1]), column);
    }
    sums.store(c, ldc);
  }
};

// Calls Tile<rows>::run for a row count known only at run time.
template <template <int> class Tile, int R>
void run_rows(int rows, const typename Tile<1>::A* a, std::size_t lda, const typename Tile<1>::B* b, float* c,
              std::size_t ldc, std::size_t k, const Ahead& next) {
  if (rows == R) {
    Tile<R>::run(a, lda, b, c, ldc, k, next);
  } else if constexpr (R > 1) {
    run_rows<Tile, R - 1>(rows, a, lda, b, c, ldc, k, next);
  }
}

// All of C: panel by panel, so that a panel (98 KB in fp32 at k = 768) stays in the level-2 cache while every
// tile of rows passes over it. Rows are dealt out evenly: 18 rows become 9 + 9, not 12 + 6, because a tile
// of few rows waits for the latency of its additions.
template <template <int> class Tile, int kMaxRows>
void multiply(const GemmArgs& args) {
  using A = typename Tile<1>::A;
  using B = typename Tile<1>::B;
  if (args.m == 0) return;
  // Elements of B from one tile's first column to the next tile's, within a row of the panel: pairs (bf16)
  // take two elements a column.
  constexpr std::size_t kPerColumn = sizeof(float) / sizeof(B);
  const std::size_t tiles = (args.m + kMaxRows - 1) / kMaxRows;
  for (std::size_t panel = 0; panel < args.panels; ++panel) {
    const B* b = static_cast<const B*>(args.b) + panel * args.b_panel_stride;
    Ahead next(read_next(b + args.b_panel_stride, panel + 1 == args.panels, args.next),
               args.k * kPanel * sizeof(B), kPanel / kTileColumns * tiles * (args.k / kPerColumn));
    for (std::size_t column = 0; column < kPanel; column += kTileColumns) {
      float* c = args.c + panel * kPanel + column;
      for (std::size_t tile = 0; tile < tiles; ++tile) {
        const std::size_t begin = tile * args.m / tiles;
        const std::size_t end = (tile + 1) * args.m / tiles;
        run_rows<Tile, kMaxRows>(static_cast<int>(end - begin),
                                 static_cast<const A*>(args.a) + begin * args.lda, args.lda,
                                 b + column * kPerColumn, c + begin * args.ldc, args.ldc, args.k, next);
        next.pass(args.k / kPerColumn);
      }
    }
  }
}

// Multiply-adds on registers alone: as many independent chains as a tile has accumulators.
inline double peak_fma(std::size_t iterations, float* sink) {
  constexpr int kChains = Vec::kTileRows * Vec::kTileRegs;
  Vec acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = Vec::set(static_cast<float>(i));
  const Vec a = Vec::set(0.999F);
  const Vec b = Vec::set(*sink);
  for (std::size_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 24
    for (int i = 0; i < kChains; ++i) acc[i] = Vec::fma(acc[i], a, b);
  }
  Vec total = Vec::zero();
  for (int i = 0; i < kChains; ++i) total = total + acc[i];
  *sink = Vec::sum(total);
  return 2.0 * static_cast<double>(iterations) * kChains * static_cast<double>(Vec::kLanes);
}

}  // namespace
}  // namespace gemvec::kernels
