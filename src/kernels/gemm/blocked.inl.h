// The matrix product for instruction sets whose tile is narrower than a panel: B is unpacked, a block of k at
// a time, into rows as wide as the tile. Included after a simd header.
//
// Straight from the panel, such a tile would use every second cache line of it, which leaves it half of the
// level-1 cache's sets; and bf16 would be widened for every tile of rows again.
#pragma once

#include "kernels/gemm/tile.inl.h"

namespace gemvec::kernels {
namespace {

// 256 steps x 16 columns are 16 KB: half of a level-1 cache, the rest of which A's rows and C pass through.
constexpr std::size_t kBlockSteps = 256;

// One block of a panel, [steps, kTileColumns] from `column` on, as fp32.
struct UnpackF32 {
  using B = float;
  static void run(const float* panel, std::size_t column, std::size_t steps, float* to) {
    const float* from = panel + column;
    for (std::size_t p = 0; p < steps; ++p, from += kPanel, to += kTileColumns) {
      for (std::size_t j = 0; j < kTileColumns; j += Vec::kLanes) Vec::load(from + j).store(to + j);
    }
  }
};

struct UnpackBf16 {
  using B = std::uint16_t;
  static void run(const std::uint16_t* panel, std::size_t column, std::size_t steps, float* to) {
    const std::uint16_t* from = panel + 2 * column;
    for (std::size_t p = 0; p < steps; p += 2, from += 2 * kPanel, to += 2 * kTileColumns) {
      for (std::size_t j = 0; j < kTileColumns; j += Vec::kLanes) {
        Vec::load_bf16_even(from + 2 * j).store(to + j);
        Vec::load_bf16_odd(from + 2 * j).store(to + kTileColumns + j);
      }
    }
  }
};

// C[R, kTileColumns] (+)= A[R, steps] * B[steps, kTileColumns]: the same sums in the same order as in one go,
// since C keeps them as they are.
template <int R>
void run_block(const float* a, std::size_t lda, const float* b, float* c, std::size_t ldc, std::size_t steps,
               bool first) {
  Rows<float, R> rows(a, lda);
  Accumulators<R> sums;
  if (!first) sums.load(c, ldc);
#pragma GCC unroll 4
  for (std::size_t p = 0; p < steps; ++p, b += kTileColumns, rows.advance(1)) {
    Vec column[Vec::kTileRegs];
    for (int j = 0; j < Vec::kTileRegs; ++j) {
      column[j] = Vec::load(b + static_cast<std::size_t>(j) * Vec::kLanes);
    }
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) sums.add(r, Vec::set(*rows.at(r)), column);
  }
  sums.store(c, ldc);
}

template <int R>
void run_block_rows(int count, const float* a, std::size_t lda, const float* b, float* c, std::size_t ldc,
                    std::size_t steps, bool first) {
  if (count == R) {
    run_block<R>(a, lda, b, c, ldc, steps, first);
  } else if constexpr (R > 1) {
    run_block_rows<R - 1>(count, a, lda, b, c, ldc, steps, first);
  }
}

// Rows are dealt out evenly, as in multiply().
template <class Unpack>
void multiply_blocked(const GemmArgs& args) {
  alignas(64) float block[kBlockSteps * kTileColumns];
  const auto* a = static_cast<const float*>(args.a);
  const std::size_t tiles = (args.m + Vec::kTileRows - 1) / Vec::kTileRows;
  for (std::size_t panel = 0; panel < args.panels; ++panel) {
    const auto* b = static_cast<const typename Unpack::B*>(args.b) + panel * args.b_panel_stride;
    for (std::size_t column = 0; column < kPanel; column += kTileColumns) {
      float* c = args.c + panel * kPanel + column;
      for (std::size_t k = 0; k < args.k; k += kBlockSteps) {
        const std::size_t steps = args.k - k < kBlockSteps ? args.k - k : kBlockSteps;
        Unpack::run(b + k * kPanel, column, steps, block);
        for (std::size_t tile = 0; tile < tiles; ++tile) {
          const std::size_t begin = tile * args.m / tiles;
          const std::size_t end = (tile + 1) * args.m / tiles;
          run_block_rows<Vec::kTileRows>(static_cast<int>(end - begin), a + begin * args.lda + k, args.lda,
                                         block, c + begin * args.ldc, args.ldc, steps, k == 0);
        }
      }
    }
  }
}

}  // namespace
}  // namespace gemvec::kernels
