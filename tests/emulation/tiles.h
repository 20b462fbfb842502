// AMX's tiles in memory: what SIMDe 0.7.4 lacks altogether. Included by immintrin.h of this folder only.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

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

template <class T>
[[maybe_unused]] T number(const Tile& tile, std::size_t row, std::size_t i) {
  T value;
  std::memcpy(&value, tile.row[row].data() + i * sizeof(T), sizeof(T));
  return value;
}

// sums[m][n] = add(sums[m][n], m, n) for all of them, of shapes that fit.
template <class T, class Add>
[[maybe_unused]] void dot_tiles(std::size_t sums, std::size_t a, std::size_t b, Add&& add) {
  Tile& to = configured(sums);
  const Tile& from_a = configured(a);
  const Tile& from_b = configured(b);
  require(to.rows == from_a.rows && from_a.row_bytes == 4 * from_b.rows && to.row_bytes == from_b.row_bytes);
  for (std::size_t m = 0; m < to.rows; ++m) {
    for (std::size_t n = 0; n < to.row_bytes / sizeof(T); ++n) {
      const T sum = add(number<T>(to, m, n), from_a, from_b, m, n);
      std::memcpy(to.row[m].data() + n * sizeof(T), &sum, sizeof(T));
    }
  }
}

// Signed bytes of a times unsigned ones of b.
[[maybe_unused]] void dot_byte_tiles(std::size_t sums, std::size_t a, std::size_t b) {
  dot_tiles<std::uint32_t>(
      sums, a, b,
      [](std::uint32_t sum, const Tile& from_a, const Tile& from_b, std::size_t m, std::size_t n) {
        for (std::size_t k = 0; k < from_a.row_bytes; ++k) {
          sum += static_cast<std::uint32_t>(number<std::int8_t>(from_a, m, k) *
                                            number<std::uint8_t>(from_b, k / 4, 4 * n + k % 4));
        }
        return sum;
      });
}

[[maybe_unused]] float without_subnormals(float x) {
  return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0F, x) : x;
}
[[maybe_unused]] float from_bf16(std::uint16_t bits) {
  return without_subnormals(std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16));
}
// The even and the odd steps of k have a sum each, from 0; both together are added to what was there.
[[maybe_unused]] void dot_bf16_tiles(std::size_t sums, std::size_t a, std::size_t b) {
  dot_tiles<float>(
      sums, a, b, [](float sum, const Tile& from_a, const Tile& from_b, std::size_t m, std::size_t n) {
        std::array<float, 2> part = {};
        for (std::size_t k = 0; k < from_a.row_bytes / 2; ++k) {
          const float x = from_bf16(number<std::uint16_t>(from_a, m, k));
          const float y = from_bf16(number<std::uint16_t>(from_b, k / 2, 2 * n + k % 2));
          part[k % 2] = without_subnormals(std::fma(x, y, part[k % 2]));
        }
        return without_subnormals(without_subnormals(sum) + without_subnormals(part[0] + part[1]));
      });
}

}  // namespace
}  // namespace gemvec::emulation
