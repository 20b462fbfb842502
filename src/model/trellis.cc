#include "model/trellis.h"

#include <algorithm>
#include <cstring>

#include "model/quantize.h"

namespace gemvec::model {

namespace {

// Steps that are tried for 32 numbers, next to each other in registers: 16 from 0.55 to 1.35 times the one
// that has the largest of the numbers at the outermost level. Twice as many take another 2 % off the squares
// of errors.
constexpr std::size_t kSteps = 16;
constexpr std::size_t kLanes = 4;  // of them at a time: a register of the baseline
constexpr float kLeast = 0.55F, kMost = 1.35F;
constexpr float kOutermost = -kTrellisLevels[0];
constexpr float kTopSub = 255;
constexpr float kNever = 1e30F;  // a cost beyond all others: a square is at most some ten thousand

// Numbers side by side, which both compilers keep in a register of the baseline; of loops over four floats,
// they make one float at a time.
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));

Lanes least(Lanes a, Lanes b) { return a < b ? a : b; }

// The least squares of x to the levels that halves of parity `next` stand for after one of parity `before`.
template <unsigned before, unsigned next>
Lanes least_squares(Lanes x) {
  Lanes best = {kNever, kNever, kNever, kNever};
#pragma GCC unroll 8
  for (unsigned half = next; half < kTrellisLevels.size(); half += 2) {
    const Lanes difference = x - static_cast<float>(trellis_level(before, half));
    best = least(difference * difference, best);
  }
  return best;
}

// errors[k]: the least sum of squares of 32 numbers, in units of steps[k], after a half of parity `before`.
void errors_of(const float* w, unsigned before, const float* steps, float* errors) {
  Lanes step;
  std::memcpy(&step, steps, sizeof(step));
  const Lanes inverse = 1.0F / step, none = step * 0;
  Lanes even = none + (before == 0 ? 0 : kNever), odd = none + (before == 0 ? kNever : 0);
  for (std::size_t i = 0; i < kTrellisGroup; ++i) {
    const Lanes x = inverse * w[i];
    const Lanes now_even = least(even + least_squares<0, 0>(x), odd + least_squares<1, 0>(x));
    odd = least(even + least_squares<0, 1>(x), odd + least_squares<1, 1>(x));
    even = now_even;
  }
  const Lanes error = least(even, odd);
  std::memcpy(errors, &error, sizeof(error));
}

// In lane before + 2 * parity, half 2 * i + parity after one of parity `before`: its level.
Lanes levels_of(unsigned i) {
  return Lanes{static_cast<float>(trellis_level(0, 2 * i)), static_cast<float>(trellis_level(1, 2 * i)),
               static_cast<float>(trellis_level(0, 2 * i + 1)),
               static_cast<float>(trellis_level(1, 2 * i + 1))};
}

// The halves of 32 numbers with this step that have the least sum of squares, after a half of parity
// `before`.
void find_halves(const float* w, unsigned before, float step, std::uint8_t* halves) {
  struct Choice {
    std::uint8_t half, before;
  };
  Choice choices[kTrellisGroup][2];
  float even = before == 0 ? 0 : kNever, odd = before == 0 ? kNever : 0;
  const float inverse = 1.0F / step;
  for (std::size_t i = 0; i < kTrellisGroup; ++i) {
    Lanes best = {kNever, kNever, kNever, kNever};
    auto nearest = best < best;  // integers of the same size: 0
#pragma GCC unroll 8
    for (unsigned j = 0; j < kTrellisLevels.size() / 2; ++j) {
      const Lanes difference = w[i] * inverse - levels_of(j), square = difference * difference;
      nearest = square < best ? nearest * 0 + static_cast<int>(j) : nearest;
      best = least(square, best);
    }
    const Lanes costs = best + Lanes{even, odd, even, odd};
    std::int32_t chosen[kLanes];
    std::memcpy(chosen, &nearest, sizeof(chosen));
    for (unsigned parity = 0; parity < 2; ++parity) {
      const unsigned from = static_cast<unsigned>(costs[2 * parity + 1] < costs[2 * parity]);
      choices[i][parity] = {
          static_cast<std::uint8_t>(2 * static_cast<unsigned>(chosen[2 * parity + from]) + parity),
          static_cast<std::uint8_t>(from)};
    }
    even = std::min(costs[0], costs[1]);
    odd = std::min(costs[2], costs[3]);
  }
  unsigned parity = odd < even ? 1 : 0;
  for (std::size_t i = kTrellisGroup; i-- > 0;) {
    halves[i] = choices[i][parity].half;
    parity = choices[i][parity].before;
  }
}

}  // namespace

float encode_trellis(const float* w, std::size_t n, std::uint8_t* halves, std::uint8_t* subs) {
  const float top = highest(w, n);
  if (top < 1e-30F) {
    std::fill(halves, halves + n, std::uint8_t{8});
    std::fill(subs, subs + n / kTrellisGroup, std::uint8_t{1});
    return 0;
  }
  const float scale = top * kMost / kOutermost / kTopSub;
  unsigned before = 0;
  for (std::size_t first = 0; first < n; first += kTrellisGroup) {
    const float widest = highest(w + first, kTrellisGroup) / kOutermost / scale;
    float tried[kSteps], steps[kSteps], errors[kSteps];
    for (std::size_t k = 0; k < kSteps; ++k) {
      const float factor = kLeast + (kMost - kLeast) * static_cast<float>(k) / (kSteps - 1);
      tried[k] = std::clamp(nearest(widest * factor), 1.0F, kTopSub);
      steps[k] = tried[k] * scale;
    }
    for (std::size_t k = 0; k < kSteps; k += kLanes) errors_of(w + first, before, steps + k, errors + k);
    // Not times the steps' own squares, which nothing would be left of in a row of tiny numbers.
    for (std::size_t k = 0; k < kSteps; ++k) errors[k] *= tried[k] * tried[k];
    const auto best = static_cast<std::size_t>(std::min_element(errors, errors + kSteps) - errors);
    find_halves(w + first, before, steps[best], halves + first);
    subs[first / kTrellisGroup] = static_cast<std::uint8_t>(tried[best]);
    before = halves[first + kTrellisGroup - 1] % 2U;
  }
  return scale;
}

}  // namespace gemvec::model
