// Numbers in 4 bits each, of which the last bit also chooses the levels of the next number.
//
// There are 16 levels, and their mirror image. A number has a half of 0..15, which is one of the levels where
// the half before it was even, and of the mirror image where it was odd. So each number could be given any of
// 32 levels, if the number before it takes the right half of its own 16: which of both is better in all is
// decided for 32 numbers at a time. This is known as trellis-coded quantisation, here with two states. The
// squares of errors add up to two thirds of what the best 16 levels alone give.
//
//   number i = level(half i - 1, half i) * sub * scale
// with a scale for the row and a sub of 1..255 for every 32 of its numbers. Before the first comes an even
// half.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace gemvec::model {

// Numbers that have a sub of their own.
inline constexpr std::size_t kTrellisGroup = 32;

// Each is the mean of what falls to it, of 1,000 rows of the release's embedding table, in units of a 120th
// of the lowest (tools/quantization/trellis_levels.py).
inline constexpr std::array<std::int8_t, 16> kTrellisLevels = {-120, -82, -60, -46, -34, -24, -15, -7,
                                                               0,    8,   16,  26,  37,  50,  68,  96};

// [half before is odd][half]: a table, because no processor could guess a branch.
inline constexpr std::array<std::array<std::int8_t, 16>, 2> kTrellisBooks = [] {
  std::array<std::array<std::int8_t, 16>, 2> books{kTrellisLevels};
  for (std::size_t half = 0; half < 16; ++half) {
    books[1][half] = static_cast<std::int8_t>(-kTrellisLevels[15 - half]);
  }
  return books;
}();

constexpr int trellis_level(unsigned before, unsigned half) { return kTrellisBooks[before % 2][half]; }

// w[n] to halves[n] and subs[n / 32]; returns the scale. The same bits on every machine. REQUIRES: n is a
// multiple of 32.
float encode_trellis(const float* w, std::size_t n, std::uint8_t* halves, std::uint8_t* subs);

}  // namespace gemvec::model
