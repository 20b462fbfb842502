// Reproducible numbers for tests.
#pragma once

#include <cmath>
#include <cstdint>

namespace gemvec::testing {

// splitmix64: the same numbers on every machine, which the standard distributions do not promise.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }
  // In [0, 1).
  double uniform() { return static_cast<double>(next() >> 11U) * 0x1p-53; }
  // Mean 0, standard deviation 1 (Box-Muller).
  float gaussian() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return static_cast<float>(radius * std::cos(6.283185307179586 * uniform()));
  }

 private:
  std::uint64_t state_;
};

}  // namespace gemvec::testing
