// AMX's eight tile registers: matrices of up to 16 rows of 64 bytes, as deep and as wide as a thread sets
// them. Included by the amx.cc files only, after simd/avx512.h.
//
// Registers are numbers in an instruction, so _tile_ intrinsics take literals. Throughout, tiles 0 to 3 are
// sums, the next are rows of A and the last columns of B. Two by two of A and B give four sums for four
// loads; one by four, of which B's stay in the level-1 cache, load the least from further away.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace gemvec::kernels {
namespace {

inline constexpr std::size_t kTileMaxRows = 16;
inline constexpr std::size_t kTileRowBytes = 64;
// Columns of 32-bit sums.
inline constexpr std::size_t kTileSums = kTileRowBytes / 4;

// What stands in memory is what a tile will load: gcc 12's intrinsics do not tell it that they read memory.
inline void publish(const void* memory) { asm volatile("" ::"r"(memory) : "memory"); }

// Sets the shapes, with all tiles 0, and gives the registers back: then the system need not keep their 8 KB
// when it switches threads.
class Tiles {
 public:
  Tiles(std::size_t rows, std::size_t a_bytes, std::size_t a_tiles) { shape(rows, a_bytes, a_tiles); }
  ~Tiles() { _tile_release(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;

  // Sums of [rows, 16]; `a_tiles` of A, from tile 4 on, [rows, a_bytes]; the rest of B, [a_bytes / 4, 16 x 4
  // bytes]. All become 0.
  void shape(std::size_t rows, std::size_t a_bytes, std::size_t a_tiles) {
    Shapes shapes;
    for (std::size_t tile = 0; tile < 8; ++tile) {
      const bool of_b = tile >= 4 + a_tiles, of_a = tile >= 4 && !of_b;
      shapes.rows[tile] = static_cast<std::uint8_t>(of_b ? a_bytes / 4 : rows);
      shapes.row_bytes[tile] = static_cast<std::uint16_t>(of_a ? a_bytes : kTileRowBytes);
    }
    publish(&shapes);
    _tile_loadconfig(&shapes);
  }

 private:
  // The layout that LDTILECFG reads.
  struct alignas(64) Shapes {
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t row_bytes[16] = {};
    std::uint8_t rows[16] = {};
  };
  static_assert(sizeof(Shapes) == 64);
};

// m rows as tiles of one height: as even as can be, and where that does not work out the last rows of one
// tile are computed once more by the next. A row's sums depend on nothing but the row.
struct RowTiles {
  std::size_t count;  // tiles
  std::size_t rows;   // of each

  explicit RowTiles(std::size_t m)
      : count((m + kTileMaxRows - 1) / kTileMaxRows), rows((m + count - 1) / count), last_(m - rows) {}
  [[nodiscard]] std::size_t begin(std::size_t tile) const {
    return tile * rows < last_ ? tile * rows : last_;
  }

 private:
  std::size_t last_;
};

}  // namespace
}  // namespace gemvec::kernels
