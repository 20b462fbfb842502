// RMSNorm: rows of the residual stream, and heads.
#include "kernels/norm/norm.h"

#include "kernels/bench.h"

namespace gemvec::bench {

void add_norm() {
  const kernels::NormKernels& norm = *selected_kernels().norm;
  constexpr float kEps = 1e-6F;
  for (const std::size_t n : {std::size_t{768}, std::size_t{256}}) {
    // x in, y out; the scale stays in the level-1 cache.
    add_rows("norm/norm/" + std::to_string(n), n * 2 * sizeof(float), [=, &norm] {
      return [=, &norm, x = random_floats(kRows * n), scale = random_floats(n),
              y = random_floats(kRows * n)](std::size_t i) mutable {
        norm.norm(x.data() + i * n, scale.data(), n, kEps, y.data() + i * n);
      };
    });
  }
  constexpr std::size_t kWidth = 768;
  // The branch and x in, x out.
  add_rows("norm/add_norm/768", kWidth * 3 * sizeof(float), [&norm] {
    return [&norm, branch = random_floats(kRows * kWidth), scale = random_floats(kWidth),
            x = random_floats(kRows * kWidth)](std::size_t i) mutable {
      norm.add_norm(branch.data() + i * kWidth, scale.data(), kWidth, kEps, x.data() + i * kWidth);
    };
  });
}

}  // namespace gemvec::bench
