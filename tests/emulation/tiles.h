// AMX's tiles in memory: what SIMDe 0.7.4 lacks altogether. Included by immintrin.h of this folder only.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "emulation/missing.h"

namespace gemvec::emulation {
namespace {

struct Tile {
  std::size_t rows = 0, row_bytes = 0;
  std::array<std::array<std::byte, 64>, 16> row = {};
};
// Of a thread, and of a file: no file leaves tiles to another.
[[maybe_unused]] thread_local std::array<Tile, 8> tiles;

// The processor raises #UD.
[[maybe_unused]] void require(bool condition) {
  if (!condition) std::abort();
}
[[maybe_unused]] Tile& configured(std::size_t number) {
  require(tiles[number].rows > 0);
  return tiles[number];
}

[[maybe_unused]] void load_shapes(const void* from) {
  std::array<std::uint8_t, 64> shapes = {};
  std::memcpy(shapes.data(), from, shapes.size());
  require(shapes[0] == 1);  // the palette
  for (std::size_t i = 0; i < tiles.size(); ++i) {
    tiles[i] = {};
    tiles[i].rows = shapes[48 + i];
    tiles[i].row_bytes = static_cast<std::size_t>(shapes[16 + 2 * i] | shapes[17 + 2 * i] << 8);
    require(tiles[i].rows <= 16 && tiles[i].row_bytes <= 64);
  }
}
[[maybe_unused]] void release_tiles() { tiles = {}; }
[[maybe_unused]] void zero_tile(std::size_t number) { configured(number).row = {}; }
[[maybe_unused]] void load_tile(std::size_t number, const void* from, std::size_t stride) {
  Tile& to = configured(number);
  to.row = {};
  for (std::size_t i = 0; i < to.rows; ++i) {
    std::memcpy(to.row[i].data(), static_cast<const std::byte*>(from) + i * stride, to.row_bytes);
  }
}
[[maybe_unused]] void store_tile(std::size_t number, void* to, std::size_t stride) {
  const Tile& from = configured(number);
  for (std::size_t i = 0; i < from.rows; ++i) {
    std::memcpy(static_cast<std::byte*>(to) + i * stride, from.row[i].data(), from.row_bytes);
  }
}

// A row, or its halves, as vectors. What lies beyond a tile's width is 0.
[[maybe_unused]] IntHalves row_of(const Tile& tile, std::size_t row) {
  return std::bit_cast<IntHalves>(tile.row[row]);
}
// sums[m] = finish(sums[m], add over the rows k of b (word k of row m of a, row k of b)), of shapes that fit,
// each half of a row apart. Sum: what is carried from k to k, from its default on.
template <class Sum, class Add, class Finish>
[[maybe_unused]] void dot_tiles(std::size_t sums, std::size_t a, std::size_t b, Add&& add, Finish&& finish) {
  Tile& to = configured(sums);
  const Tile& from_a = configured(a);
  const Tile& from_b = configured(b);
  require(to.rows == from_a.rows && from_a.row_bytes == 4 * from_b.rows && to.row_bytes == from_b.row_bytes);
  for (std::size_t m = 0; m < to.rows; ++m) {
    Sum low, high;
    for (std::size_t k = 0; k < from_b.rows; ++k) {
      std::int32_t word = 0;
      std::memcpy(&word, from_a.row[m].data() + k * sizeof(word), sizeof(word));
      const __m256i x = _mm256_set1_epi32(word);
      const IntHalves y = row_of(from_b, k);
      add(low, x, y.low);
      add(high, x, y.high);
    }
    const IntHalves before = row_of(to, m);
    const IntHalves after = {finish(before.low, low), finish(before.high, high)};
    std::memcpy(to.row[m].data(), &after, to.row_bytes);
  }
}

// Signed bytes of a times unsigned ones of b.
[[maybe_unused]] void dot_byte_tiles(std::size_t sums, std::size_t a, std::size_t b) {
  struct Sum {
    __m256i v = _mm256_setzero_si256();
  };
  dot_tiles<Sum>(
      sums, a, b, [](Sum& sum, __m256i x, __m256i y) { sum.v = dot_bytes(sum.v, y, x); },
      [](__m256i before, Sum sum) { return _mm256_add_epi32(before, sum.v); });
}

// The even and the odd steps of k have a sum each, from 0; both together are added to what was there.
[[maybe_unused]] void dot_bf16_tiles(std::size_t sums, std::size_t a, std::size_t b) {
  struct Sum {
    __m256 even = _mm256_setzero_ps(), odd = _mm256_setzero_ps();
  };
  const auto even = [](__m256i v) { return flush(_mm256_castsi256_ps(_mm256_slli_epi32(v, 16))); };
  const auto odd = [](__m256i v) {
    return flush(_mm256_castsi256_ps(_mm256_and_si256(v, _mm256_set1_epi32(static_cast<int>(0xFFFF0000U)))));
  };
  dot_tiles<Sum>(
      sums, a, b,
      [&](Sum& sum, __m256i x, __m256i y) {
        sum.even = flush(_mm256_fmadd_ps(even(x), even(y), sum.even));
        sum.odd = flush(_mm256_fmadd_ps(odd(x), odd(y), sum.odd));
      },
      [](__m256i before, Sum sum) {
        const __m256 both = flush(_mm256_add_ps(sum.even, sum.odd));
        return _mm256_castps_si256(flush(_mm256_add_ps(flush(_mm256_castsi256_ps(before)), both)));
      });
}

}  // namespace
}  // namespace gemvec::emulation
