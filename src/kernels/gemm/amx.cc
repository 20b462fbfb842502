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
// Steps of k that all rows are multiplied over before the next ones: two panels' parts of 12 KB then stay in
// the level-1 cache while the rows come from the level-2 cache, from which both would take longer than the
// products.
constexpr std::size_t kPartSteps = 192;
static_assert(kPartSteps % kSteps == 0);
// Lines of the panels that follow to ask for beside 32 steps, two at a time, as processors with tiles fetch
// them: as many as these steps have of two panels.
constexpr std::size_t kLinesAhead = 2 * kSteps / 2 * kPairBytes / Ahead::kLine;

// Products of all rows with two panels side by side, or one: a tile of rows by four tiles of columns at a
// time.
class ProductBf16 {
 public:
  // REQUIRES: args.m <= kMostRows
  explicit ProductBf16(const GemmArgs& args)
      : args_(args), tiles_(args.m), registers_(tiles_.rows, kSteps * sizeof(std::uint16_t), 1) {}

  static constexpr std::size_t kMostRows = 8 * kTileMaxRows;
  static constexpr std::size_t kMostPanels = 2;

  // b: the first panel. c: of that.
  void multiply_panels(const std::uint16_t* b, std::size_t panels, float* c, Ahead& next) {
    const std::size_t whole = args_.k / kSteps * kSteps;
    for (std::size_t begin = 0; begin < whole; begin += kPartSteps) {
      const std::size_t steps = whole - begin < kPartSteps ? whole - begin : kPartSteps;
      multiply_part({begin, steps, kSteps}, b, panels, c, next);
    }
    // What fills no tile, which the model's shapes do not have, needs lower ones.
    if (const std::size_t rest = args_.k - whole; rest > 0) {
      registers_.shape(tiles_.rows, rest * sizeof(std::uint16_t), 1);
      multiply_part({whole, rest, rest}, b, panels, c, next);
      registers_.shape(tiles_.rows, kSteps * sizeof(std::uint16_t), 1);
    }
  }

 private:
  // Steps begin .. begin + steps - 1 of k, `step` to a tile.
  struct Part {
    std::size_t begin, steps, step;
  };

  void multiply_part(const Part& part, const std::uint16_t* b, std::size_t panels, float* c, Ahead& next) {
    for (std::size_t tile = 0; tile < tiles_.count; ++tile) {
      float* const sums = sums_[tile][0];
      const bool first = part.begin == 0, last = part.begin + part.steps == args_.k;
      float* const to = last ? c + tiles_.begin(tile) * args_.ldc : sums;
      const std::size_t to_stride = last ? args_.ldc : kMostPanels * kPanel;
      panels == 2 ? multiply<2>(part, tile, b, first ? nullptr : sums, to, to_stride, next)
                  : multiply<1>(part, tile, b, first ? nullptr : sums, to, to_stride, next);
    }
  }

  // to = from, or 0 if there is none, plus the products of one tile of rows.
  template <int kPanels>
  void multiply(const Part& part, std::size_t tile, const std::uint16_t* b, const float* from, float* to,
                std::size_t to_stride, Ahead& next) const {
    constexpr std::size_t kSumBytes = kMostPanels * kPanel * sizeof(float);
    if (from != nullptr) {
      publish(from);
      _tile_loadd(0, from, kSumBytes);
      _tile_loadd(1, from + kTileSums, kSumBytes);
      if constexpr (kPanels == 2) {
        _tile_loadd(2, from + 2 * kTileSums, kSumBytes);
        _tile_loadd(3, from + 3 * kTileSums, kSumBytes);
      }
    } else {
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
    }
    const auto* a = static_cast<const std::uint16_t*>(args_.a) + tiles_.begin(tile) * args_.lda + part.begin;
    const std::size_t a_bytes = args_.lda * sizeof(std::uint16_t);
    const std::uint16_t* left = b + part.begin * kPanel;
    const std::uint16_t* right = left + (kPanels - 1) * args_.b_panel_stride;
    for (std::size_t p = 0; p < part.steps;
         p += part.step, left += kSteps * kPanel, right += kSteps * kPanel) {
      _tile_loadd(4, a + p, a_bytes);
      _tile_loadd(5, left, kPairBytes);
      _tile_dpbf16ps(0, 4, 5);
      _tile_loadd(6, left + 2 * kTileSums, kPairBytes);
      _tile_dpbf16ps(1, 4, 6);
      if constexpr (kPanels == 2) {
        _tile_loadd(7, right, kPairBytes);
        _tile_dpbf16ps(2, 4, 7);
        _tile_loadd(5, right + 2 * kTileSums, kPairBytes);
        _tile_dpbf16ps(3, 4, 5);
      }
      next.ask_in_pairs(kLinesAhead);
    }
    const std::size_t to_bytes = to_stride * sizeof(float);
    _tile_stored(0, to, to_bytes);
    _tile_stored(1, to + kTileSums, to_bytes);
    if constexpr (kPanels == 2) {
      _tile_stored(2, to + 2 * kTileSums, to_bytes);
      _tile_stored(3, to + 3 * kTileSums, to_bytes);
    }
  }

  const GemmArgs& args_;
  const RowTiles tiles_;
  Tiles registers_;
  // So far, of each tile of rows.
  alignas(64) float sums_[kMostRows / kTileMaxRows][kTileMaxRows][kMostPanels * kPanel];
};

// C, two panels at a time.
void multiply_bf16(const GemmArgs& all) {
  publish(all.a);
  for (std::size_t row = 0; row < all.m; row += ProductBf16::kMostRows) {
    GemmArgs args = all;
    args.a = static_cast<const std::uint16_t*>(all.a) + row * all.lda;
    args.c += row * all.ldc;
    args.m = all.m - row < ProductBf16::kMostRows ? all.m - row : ProductBf16::kMostRows;
    ProductBf16 product(args);
    for (std::size_t panel = 0; panel < args.panels; panel += ProductBf16::kMostPanels) {
      const std::size_t count = args.panels - panel < 2 ? 1 : 2;
      const auto* b = static_cast<const std::uint16_t*>(args.b) + panel * args.b_panel_stride;
      Ahead next(read_next(b + count * args.b_panel_stride, panel + count == args.panels, args.next),
                 count * args.k * kPanel * sizeof(std::uint16_t));
      product.multiply_panels(b, count, args.c + panel * kPanel, next);
    }
  }
}

// Four independent sums, as the kernel has; what is multiplied does not matter.
double peak_tiles(std::size_t iterations, float* sink) {
  const Tiles registers(kTileMaxRows, kTileRowBytes, 2);
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
