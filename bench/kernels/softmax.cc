// Softmax of rows of scores: one short text, a sliding window, the longest text.
#include "kernels/softmax/softmax.h"

#include "kernels/bench.h"

namespace gemvec::bench {

void add_softmax() {
  const kernels::SoftmaxKernels& softmax = *selected_kernels().softmax;
  for (const std::size_t n : {std::size_t{18}, std::size_t{513}, std::size_t{2048}}) {
    // In place, again and again: after the first pass the scores lie between 0 and 1, which takes as long.
    add_rows("softmax/exponentials/" + std::to_string(n), n * 2 * sizeof(float), [=, &softmax] {
      return [=, &softmax, scores = random_floats(kRows * n)](std::size_t i) mutable {
        benchmark::DoNotOptimize(softmax.exponentials(scores.data() + i * n, n, 0, n));
      };
    });
  }
  constexpr std::size_t kHead = 256;
  add_rows("softmax/scale/256", kHead * 2 * sizeof(float), [&softmax] {
    return [&softmax, y = random_floats(kRows * kHead)](std::size_t i) mutable {
      softmax.scale(y.data() + i * kHead, kHead, 1.0F);
    };
  });
}

}  // namespace gemvec::bench
