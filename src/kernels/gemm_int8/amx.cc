// Int8 matrix products with AMX's tiles of bytes.
#include "kernels/simd/avx512.h"

#include "kernels/gemm_int8/dot_avx512vnni.inl.h"
#include "kernels/gemm_int8/gemm_int8.h"
#include "kernels/gemm_int8/tile.inl.h"
#include "kernels/simd/tiles.h"

namespace gemvec::kernels {
namespace {

// Steps of k that a tile of A holds, unless groups are smaller.
constexpr std::size_t kTileSteps = kTileRowBytes;
// Steps of k that all rows are multiplied over before the next ones: two panels' parts of 8 KB then stay in
// the level-1 cache while the rows come from the level-2 cache, from which both would take longer than the
// products.
constexpr std::size_t kPartSteps = 256;
// Lines of the panels that follow to ask for beside each group, two at a time, as processors with tiles fetch
// them: as many as a group of 128 has of two panels.
constexpr std::size_t kLinesAhead = 128;

// Products of all rows with two panels side by side, or one: a tile of rows by four tiles of columns at a
// time. The tiles' sums end with each group, because each has scales of its own: they go through memory to
// vectors, which add them, scaled, to fp32 sums. That is done for a group when the tiles have begun the next.
class ProductAmx {
 public:
  // REQUIRES: args.m <= kMostRows
  explicit ProductAmx(const GemmInt8Args& args)
      : args_(args),
        tiles_(args.m),
        registers_(tiles_.rows, args.group < kTileSteps ? args.group : kTileSteps, 1) {}

  static constexpr std::size_t kMostRows = 8 * kTileMaxRows;
  static constexpr std::size_t kMostPanels = 2;

  // b: the panels, 1 or 2. c: of the first. Begins with what was left of the call before, and leaves its own
  // last group to be scaled.
  void multiply_panels(const TileB* b, std::size_t panels, float* c, Ahead& next) {
    const std::size_t groups = args_.k / args_.group, part = kPartSteps / args_.group;
    for (std::size_t begin = 0; begin < groups; begin += part) {
      const std::size_t end = groups - begin < part ? groups : begin + part;
      for (std::size_t tile = 0; tile < tiles_.count; ++tile) {
        for (std::size_t g = begin; g < end; ++g) {
          panels == 2 ? multiply<2>(b, tile, g) : multiply<1>(b, tile, g);
          next.ask_in_pairs(kLinesAhead);
          finish();
          panels == 2 ? store<2>() : store<1>();
          pending_ = {
              {b[0].scales, b[panels - 1].scales}, {b[0].bias, b[panels - 1].bias}, panels, g, tile, c};
        }
      }
    }
  }

  // Scales the last group.
  void finish() {
    const std::size_t panels = pending_.panels;
    if (panels == 2) scale<2>();
    if (panels == 1) scale<1>();
    pending_.panels = 0;
  }

 private:
  // What the tiles have multiplied: a group of one tile of rows.
  struct Group {
    const float* scales[kMostPanels];
    const float* bias[kMostPanels];
    std::size_t panels;
    std::size_t number;  // of the group along k
    std::size_t tile;    // of rows
    float* c;            // of the first panel
  };

  template <int kPanels>
  void multiply(const TileB* b, std::size_t tile, std::size_t g) const {
    const std::size_t first = g * args_.group, step = b->step_bytes;
    const auto* a = static_cast<const std::int8_t*>(args_.a) + tiles_.begin(tile) * args_.lda + first;
    const std::byte* left = b[0].codes + first / Dot::kStep * step;
    const std::byte* right = b[kPanels - 1].codes + first / Dot::kStep * step;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (std::size_t p = 0; p < args_.group; p += kTileSteps) {
      _tile_loadd(4, a + p, args_.lda);
      _tile_loadd(5, left, step);
      _tile_dpbsud(0, 4, 5);
      _tile_loadd(6, left + kTileRowBytes, step);
      _tile_dpbsud(1, 4, 6);
      if constexpr (kPanels == 2) {
        _tile_loadd(7, right, step);
        _tile_dpbsud(2, 4, 7);
        _tile_loadd(5, right + kTileRowBytes, step);
        _tile_dpbsud(3, 4, 5);
      }
      left += kTileSteps / Dot::kStep * step;
      right += kTileSteps / Dot::kStep * step;
    }
  }

  template <int kPanels>
  void store() {
    _tile_stored(0, products_[0], kTileRowBytes);
    _tile_stored(1, products_[1], kTileRowBytes);
    if constexpr (kPanels == 2) {
      _tile_stored(2, products_[2], kTileRowBytes);
      _tile_stored(3, products_[3], kTileRowBytes);
    }
  }

  // The pending group's products, scaled and added to the sums so far: to the bias if it is the first, and
  // into C if it is the last.
  template <int kPanels>
  void scale() {
    constexpr int kTiles = 2 * kPanels;
    const Group& group = pending_;
    const std::size_t row = tiles_.begin(group.tile), rows = tiles_.rows, ldg = args_.ldg;
    const bool first = group.number == 0, last = (group.number + 1) * args_.group == args_.k;
    float* const sums = sums_[group.tile][0];
    float* after = last ? group.c + row * args_.ldc : sums;
    const std::size_t after_step = last ? args_.ldc : kMostPanels * kPanel;
    // The bias is each row's; a panel's is not beside the other's.
    const float* before[kPanels];
    Vec scales[kTiles];
    for (int i = 0; i < kPanels; ++i) {
      before[i] = first ? group.bias[i] : sums + static_cast<std::size_t>(i) * kPanel;
      const float* from = group.scales[i] + group.number * kPanel;
      scales[2 * i] = Vec::load(from);
      scales[2 * i + 1] = Vec::load(from + kTileSums);
    }
    const std::size_t before_step = first ? 0 : kMostPanels * kPanel;
    const RowGroup* of_row = args_.a_groups + row * ldg + group.number;
    for (std::size_t r = 0; r < rows; ++r) {
      const __m512i start = _mm512_set1_epi32(of_row->start);
      const Vec factor = Vec::set(of_row->scale);
#pragma GCC unroll 4
      for (int i = 0; i < kTiles; ++i) {
        const Dot sum = {_mm512_add_epi32(_mm512_loadu_si512(products_[i][r]), start)};
        const Vec so_far =
            Vec::load(before[i / 2] + r * before_step + static_cast<std::size_t>(i % 2) * kTileSums);
        Vec::fma(sum.to_float(), factor * scales[i], so_far)
            .store(after + static_cast<std::size_t>(i) * kTileSums);
      }
      of_row += ldg, after += after_step;
    }
  }

  const GemmInt8Args& args_;
  const RowTiles tiles_;
  const Tiles registers_;
  Group pending_ = {};
  // Of one group: four tiles of columns.
  alignas(64) std::int32_t products_[2 * kMostPanels][kTileMaxRows][kTileSums];
  alignas(64) float sums_[kMostRows / kTileMaxRows][kTileMaxRows][kMostPanels * kPanel];
};

// C, two panels at a time. Scratch has room for both: bytes, where it could be words of two.
template <class Panel>
void multiply_amx(const GemmInt8Args& all) {
  publish(all.a);
  const std::size_t bytes = Panel::bytes(all.k, all.group);
  for (std::size_t row = 0; row < all.m; row += ProductAmx::kMostRows) {
    GemmInt8Args args = all;
    args.a = static_cast<const std::int8_t*>(all.a) + row * all.lda;
    args.a_groups += row * all.ldg;
    args.c += row * all.ldc;
    args.m = all.m - row < ProductAmx::kMostRows ? all.m - row : ProductAmx::kMostRows;
    ProductAmx product(args);
    for (std::size_t panel = 0; panel < args.panels; panel += ProductAmx::kMostPanels) {
      const std::size_t count = args.panels - panel < 2 ? 1 : 2;
      const std::byte* from = args.b + panel * bytes;
      Ahead next(read_next(from + count * bytes, panel + count == args.panels, args.next), count * bytes);
      TileB b[ProductAmx::kMostPanels];
      for (std::size_t i = 0; i < count; ++i) {
        auto* scratch = static_cast<std::byte*>(args.scratch) + i * panel_codes_int8(args.k);
        b[i] = Panel::tile(from + i * bytes, 0, args.k, args.group, scratch);
        publish(b[i].codes);
      }
      product.multiply_panels(b, count, args.c + panel * kPanel, next);
    }
    product.finish();
  }
}

// Four independent sums; what is multiplied does not matter.
double peak_tiles(std::size_t iterations, float* sink) {
  const Tiles registers(kTileMaxRows, kTileRowBytes, 2);
  for (std::size_t n = 0; n < iterations; ++n) {
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(1, 4, 7);
    _tile_dpbsud(2, 5, 6);
    _tile_dpbsud(3, 5, 7);
  }
  alignas(64) std::int32_t sums[kTileMaxRows * kTileSums];
  _tile_stored(0, sums, kTileRowBytes);
  *sink = static_cast<float>(sums[0]);
  return 2.0 * 4.0 * static_cast<double>(iterations) *
         static_cast<double>(kTileMaxRows * kTileSums * kTileSteps);
}

}  // namespace

const GemmInt8Kernels kGemmInt8Amx = {
    .code_bytes = sizeof(std::int8_t),
    .int8 = multiply_amx<PanelInt8>,
    .int6 = multiply_amx<PanelInt6>,
    .int4 = multiply_amx<PanelInt4>,
    .peak = peak_tiles,
};

}  // namespace gemvec::kernels
