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
// Lines of the next panel to ask for beside each group, two at a time, as processors with tiles fetch them:
// as many as a group of 128 has of this panel.
constexpr std::size_t kLinesAhead = 64;

// What a call works on. Contiguous: rows of C a power of two apart would take loads of one for loads of
// another's stores.
struct alignas(64) Scratch {
  std::int32_t products[4][kTileMaxRows]
                       [kTileSums];  // of one group: one or two tiles of rows by two halves of a panel
  float sums[2 * kTileMaxRows][kPanel];
};

// One panel by one or two tiles of rows. The tiles' sums end with each group, because each has scales of its
// own: they go through memory to vectors, which add them, scaled, to fp32 sums. The tiles multiply the next
// group meanwhile.
template <bool kTwo>
class BlockAmx {
 public:
  // first, second: the tiles' first rows. c: of the panel.
  BlockAmx(const GemmInt8Args& args, std::size_t first, std::size_t second, std::size_t rows, const TileB& b,
           float* c)
      : args_(args), row_{first, second}, rows_(rows), b_(b), c_(c) {}

  void run(Scratch& scratch, Ahead& next) const {
    const std::size_t groups = args_.k / args_.group;
    begin(scratch);
    multiply(0);
    store(scratch);
    for (std::size_t g = 0; g < groups; ++g) {
      const bool more = g + 1 < groups;
      if (more) multiply(g + 1);
      if (next.step() != 0) {
        const char* ahead = next.at();
        for (std::size_t i = 0; i < kLinesAhead; i += 2) Ahead::ask(ahead + i * Ahead::kLine);
        next.pass(kLinesAhead);
      }
      for (int i = 0; i < kRowTiles; ++i) scale(g, i, scratch);
      if (more) store(scratch);
    }
    end(scratch);
  }

 private:
  static constexpr int kRowTiles = kTwo ? 2 : 1;

  void begin(Scratch& scratch) const {
    const Vec bias[2] = {Vec::load(b_.bias), Vec::load(b_.bias + kTileSums)};
    for (auto& sums : scratch.sums) {
      bias[0].store(sums);
      bias[1].store(sums + kTileSums);
    }
  }

  void multiply(std::size_t g) const {
    const auto* codes_a = static_cast<const std::int8_t*>(args_.a) + g * args_.group;
    const std::int8_t* a[2] = {codes_a + row_[0] * args_.lda, codes_a + row_[1] * args_.lda};
    const std::byte* codes = b_.codes + g * args_.group / Dot::kStep * b_.step_bytes;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (std::size_t p = 0; p < args_.group;
         p += kTileSteps, codes += kTileSteps / Dot::kStep * b_.step_bytes) {
      _tile_loadd(6, codes, b_.step_bytes);
      _tile_loadd(4, a[0] + p, args_.lda);
      _tile_dpbsud(0, 4, 6);
      _tile_loadd(7, codes + kTileRowBytes, b_.step_bytes);
      _tile_dpbsud(1, 4, 7);
      if constexpr (kTwo) {
        _tile_loadd(5, a[1] + p, args_.lda);
        _tile_dpbsud(2, 5, 6);
        _tile_dpbsud(3, 5, 7);
      }
    }
  }

  static void store(Scratch& scratch) {
    _tile_stored(0, scratch.products[0], kTileRowBytes);
    _tile_stored(1, scratch.products[1], kTileRowBytes);
    if constexpr (kTwo) {
      _tile_stored(2, scratch.products[2], kTileRowBytes);
      _tile_stored(3, scratch.products[3], kTileRowBytes);
    }
  }

  // sums += the products of group g, scaled, of one tile of rows.
  void scale(std::size_t g, int tile, Scratch& scratch) const {
    const Vec scales[2] = {Vec::load(b_.scales + g * kPanel), Vec::load(b_.scales + g * kPanel + kTileSums)};
    const std::size_t rows = rows_, ldg = args_.ldg;
    const RowGroup* group = args_.a_groups + row_[tile] * ldg + g;
    const auto& products = scratch.products;
    float* sums = scratch.sums[static_cast<std::size_t>(tile) * kTileMaxRows];
    for (std::size_t r = 0; r < rows; ++r, group += ldg, sums += kPanel) {
      const __m512i zero = _mm512_set1_epi32(group->bias);
      const Vec factor = Vec::set(group->scale);
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half) {
        const Dot sum = {_mm512_add_epi32(_mm512_loadu_si512(products[2 * tile + half][r]), zero)};
        float* to = sums + static_cast<std::size_t>(half) * kTileSums;
        Vec::fma(sum.to_float(), factor * scales[half], Vec::load(to)).store(to);
      }
    }
  }

  void end(const Scratch& scratch) const {
    for (int tile = 0; tile < kRowTiles; ++tile) {
      const auto* from = scratch.sums + static_cast<std::size_t>(tile) * kTileMaxRows;
      float* to = c_ + row_[tile] * args_.ldc;
      for (std::size_t r = 0; r < rows_; ++r, to += args_.ldc) {
        Vec::load(from[r]).store(to);
        Vec::load(from[r] + kTileSums).store(to + kTileSums);
      }
    }
  }

  const GemmInt8Args& args_;
  const std::size_t row_[2];
  const std::size_t rows_;
  const TileB& b_;
  float* const c_;
};

// C, panel by panel.
template <class Panel>
void multiply_amx(const GemmInt8Args& args) {
  if (args.m == 0) return;
  publish(args.a);
  const RowTiles tiles(args.m);
  const Tiles registers(tiles.rows, args.group < kTileSteps ? args.group : kTileSteps);
  const std::size_t bytes = Panel::bytes(args.k, args.group);
  Scratch scratch;
  for (std::size_t panel = 0; panel < args.panels; ++panel) {
    const std::byte* from = args.b + panel * bytes;
    Ahead next(from + bytes, bytes);
    const TileB b = Panel::tile(from, 0, args.k, args.group, args.scratch);
    publish(b.codes);
    float* c = args.c + panel * kPanel;
    for (std::size_t tile = 0; tile < tiles.count; tile += 2) {
      const std::size_t row = tiles.begin(tile);
      if (tile + 1 < tiles.count) {
        BlockAmx<true>(args, row, tiles.begin(tile + 1), tiles.rows, b, c).run(scratch, next);
      } else {
        BlockAmx<false>(args, row, row, tiles.rows, b, c).run(scratch, next);
      }
    }
  }
}

// Four independent sums; what is multiplied does not matter.
double peak_tiles(std::size_t iterations, float* sink) {
  const Tiles registers(kTileMaxRows, kTileRowBytes);
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
