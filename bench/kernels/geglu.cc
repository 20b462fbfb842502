// The feed-forward's gate.
#include "kernels/geglu/geglu.h"

#include "kernels/bench.h"

namespace gemvec::bench {

void add_geglu() {
  const kernels::GegluKernels& geglu = *selected_kernels().geglu;
  constexpr std::size_t kWidth = 1152;
  add_rows("geglu/geglu/1152", kWidth * 3 * sizeof(float), [&geglu] {
    return [&geglu, gate = random_floats(kRows * kWidth), up = random_floats(kRows * kWidth),
            y = random_floats(kRows * kWidth)](std::size_t i) mutable {
      geglu.geglu(gate.data() + i * kWidth, up.data() + i * kWidth, kWidth, y.data() + i * kWidth);
    };
  });
}

}  // namespace gemvec::bench
