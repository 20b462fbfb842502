// Matrix products with AMX's tiles of bf16; fp32 has none, and is AVX-512's.
#include "kernels/simd/avx512.h"

#include "kernels/gemm/gemm.h"
#include "kernels/gemm/tile.inl.h"
#include "kernels/simd/tiles.h"

namespace gemvec::kernels {
namespace {

// Steps of k that a tile of A holds: 64 bytes of bf16.
constexpr std::size_t kSteps = 32;
// Bytes from one pair of steps of a panel to the next.
constexpr std::size_t kPairBytes = kPanel * 2 * sizeof(std::uint16_t);
// Lines of the next panel to ask for while 32 steps are multiplied: as many as they are of this one, so that
// it is there even if one pair of tiles is all that passes over a panel.
constexpr std::size_t kLinesAhead = kSteps / 2 * kPairBytes / Ahead::kLine;

// One block of C, 32 columns by one or two tiles of rows, over `steps` of k.
struct Block {
  const std::uint16_t* a[2] = {};  // the tiles' first rows
  float* c[2] = {};
  std::size_t a_bytes, c_bytes;  // from one row to the next
  const std::uint16_t* b;        // of the panel
  std::size_t steps, step;       // all, and of a tile
  bool add;                      // to what is in C
};

template <bool kTwo>
void multiply_block(const Block& block, Ahead& next) {
  if (block.add) {
    _tile_loadd(0, block.c[0], block.c_bytes);
    _tile_loadd(1, block.c[0] + kTileSums, block.c_bytes);
    if constexpr (kTwo) {
      _tile_loadd(2, block.c[1], block.c_bytes);
      _tile_loadd(3, block.c[1] + kTileSums, block.c_bytes);
    }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const char* ahead = next.at();
  const std::size_t ahead_step = next.step();
  for (std::size_t p = 0; p < block.steps; p += block.step) {
    const std::uint16_t* b = block.b + p * kPanel;
    _tile_loadd(6, b, kPairBytes);
    _tile_loadd(4, block.a[0] + p, block.a_bytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + 2 * kTileSums, kPairBytes);
    _tile_dpbf16ps(1, 4, 7);
    if constexpr (kTwo) {
      _tile_loadd(5, block.a[1] + p, block.a_bytes);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    for (std::size_t i = 0; i < kLinesAhead; ++i, ahead += ahead_step) Ahead::ask(ahead);
  }
  next.pass(block.steps / block.step * kLinesAhead);
  _tile_stored(0, block.c[0], block.c_bytes);
  _tile_stored(1, block.c[0] + kTileSums, block.c_bytes);
  if constexpr (kTwo) {
    _tile_stored(2, block.c[1], block.c_bytes);
    _tile_stored(3, block.c[1] + kTileSums, block.c_bytes);
  }
}

// Steps first .. first + steps - 1 of k, `step` to a tile.
void multiply_steps(const GemmArgs& args, std::size_t first, std::size_t steps, std::size_t step) {
  const RowTiles tiles(args.m);
  const Tiles registers(tiles.rows, step * sizeof(std::uint16_t));
  Block block;
  block.a_bytes = args.lda * sizeof(std::uint16_t);
  block.c_bytes = args.ldc * sizeof(float);
  block.steps = steps;
  block.step = step;
  block.add = first != 0;
  for (std::size_t panel = 0; panel < args.panels; ++panel) {
    const auto* b = static_cast<const std::uint16_t*>(args.b) + panel * args.b_panel_stride;
    Ahead next(b + args.b_panel_stride, args.k * kPanel * sizeof(std::uint16_t));
    block.b = b + first * kPanel;
    for (std::size_t tile = 0; tile < tiles.count; tile += 2) {
      const bool two = tile + 1 < tiles.count;
      for (std::size_t i = 0; i < (two ? 2 : 1); ++i) {
        const std::size_t row = tiles.begin(tile + i);
        block.a[i] = static_cast<const std::uint16_t*>(args.a) + row * args.lda + first;
        block.c[i] = args.c + row * args.ldc + panel * kPanel;
      }
      two ? multiply_block<true>(block, next) : multiply_block<false>(block, next);
    }
  }
}

// The rest of k that fills no tile, which the model's shapes do not have, is a pass of its own with lower
// tiles: it adds to C.
void multiply_bf16(const GemmArgs& args) {
  if (args.m == 0) return;
  publish(args.a);
  const std::size_t whole = args.k / kSteps * kSteps, rest = args.k - whole;
  if (whole > 0) multiply_steps(args, 0, whole, kSteps);
  if (rest > 0) multiply_steps(args, whole, rest, rest);
}

// Four independent sums, as the kernel has; what is multiplied does not matter.
double peak_tiles(std::size_t iterations, float* sink) {
  const Tiles registers(kTileMaxRows, kTileRowBytes);
  for (std::size_t n = 0; n < iterations; ++n) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  alignas(64) float sums[kTileMaxRows * kTileSums];
  _tile_stored(0, sums, kTileRowBytes);
  *sink = sums[0];
  return 2.0 * 4.0 * static_cast<double>(iterations) * static_cast<double>(kTileMaxRows * kTileSums * kSteps);
}

}  // namespace

const GemmKernels kGemmAmx = {
    .f32 = multiply<TileF32, Vec::kTileRows>,
    .bf16_wide = multiply<TileBf16Wide, Vec::kTileRows>,
    .bf16 = multiply_bf16,
    .peak_f32 = peak_fma,
    .peak_bf16 = peak_tiles,
};

}  // namespace gemvec::kernels
