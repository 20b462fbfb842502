// Attention with AMX's tiles of bf16.
#include "kernels/simd/avx512.h"

#include "kernels/attention/attention.h"
#include "kernels/attention/bf16.inl.h"
#include "kernels/simd/tiles.h"

namespace gemvec::kernels {
namespace {

// Elements of a row of a tile: steps of k of A, columns of B.
constexpr std::size_t kTileElements = kTileRowBytes / sizeof(std::uint16_t);
static_assert(kTileColumns == 2 * kTileSums);

// Two tiles of registers. All have 16 rows, so the last ones may hold rows that nobody has written: their
// sums go to rows of scratch that nobody reads.
struct WholeTiles {
  static constexpr std::size_t kRows = 2 * kTileMaxRows;
  static std::size_t begin(std::size_t tile, std::size_t, std::size_t rows) {
    return tile * kRows < rows ? tile * kRows : rows;
  }
  struct Registers : Tiles {
    Registers() : Tiles(kTileMaxRows, kTileRowBytes, 2) {}
  };
};
static_assert(kQueryRows % WholeTiles::kRows == 0);

struct OperandAmx : Bf16 {
  using RowTiles = WholeTiles;
  // A tile of zeros and weights has as many steps. They are counted from a block's beginning, so that the
  // order of summation is the same whatever a tile of rows sees.
  static constexpr std::size_t kSteps = kTileElements;
  static_assert(kKeyBlock % kSteps == 0 && kAttentionPanel % kSteps == 0);

  static void product(std::size_t rows, const ProductArgs<std::uint16_t>& args) {
    publish(args.a);
    rows > kTileMaxRows ? multiply<true>(args) : multiply<false>(args);
  }

 private:
  template <bool kTwo>
  static void multiply(const ProductArgs<std::uint16_t>& args) {
    const std::size_t a_bytes = args.lda * sizeof(std::uint16_t), c_bytes = args.ldc * sizeof(float);
    float* const second_c = args.c + kTileMaxRows * args.ldc;
    const std::uint16_t* const second_a = args.a + kTileMaxRows * args.lda;
    if (args.add) {
      _tile_loadd(0, args.c, c_bytes);
      _tile_loadd(1, args.c + kTileSums, c_bytes);
      if constexpr (kTwo) {
        _tile_loadd(2, second_c, c_bytes);
        _tile_loadd(3, second_c + kTileSums, c_bytes);
      }
    } else {
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
    }
    constexpr std::size_t kPairBytes = 2 * kTileRowBytes;
    for (std::size_t p = 0; p < args.k; p += kSteps) {
      const std::uint16_t* b = args.b + p * kTileColumns;
      _tile_loadd(6, b, kPairBytes);
      _tile_loadd(4, args.a + p, a_bytes);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(7, b + kTileElements, kPairBytes);
      _tile_dpbf16ps(1, 4, 7);
      if constexpr (kTwo) {
        _tile_loadd(5, second_a + p, a_bytes);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
    _tile_stored(0, args.c, c_bytes);
    _tile_stored(1, args.c + kTileSums, c_bytes);
    if constexpr (kTwo) {
      _tile_stored(2, second_c, c_bytes);
      _tile_stored(3, second_c + kTileSums, c_bytes);
    }
  }
};

}  // namespace

const AttentionKernels kAttentionAmx = {
    .f32 = &kAttentionKernel<OperandF32>,
    .bf16 = &kAttentionKernel<OperandAmx>,
    .int8 = nullptr,
};

}  // namespace gemvec::kernels
