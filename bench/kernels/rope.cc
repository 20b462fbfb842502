// Rotary positions: one head a row.
#include "kernels/rope/rope.h"

#include "kernels/bench.h"

namespace gemvec::bench {

void add_rope() {
  const kernels::RopeKernels& rope = *selected_kernels().rope;
  constexpr std::size_t kHead = 256;
  // x in, y out, and half as much of cosines and of sines.
  add_rows("rope/rotate/256", kHead * 3 * sizeof(float), [&rope] {
    return [&rope, x = random_floats(kRows * kHead), cos = random_floats(kRows * kHead / 2),
            sin = random_floats(kRows * kHead / 2), y = random_floats(kRows * kHead)](std::size_t i) mutable {
      rope.rotate(x.data() + i * kHead, cos.data() + i * kHead / 2, sin.data() + i * kHead / 2, kHead,
                  y.data() + i * kHead);
    };
  });
}

}  // namespace gemvec::bench
