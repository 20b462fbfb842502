// Mean pooling: rows added to one sum.
#include "kernels/pool/pool.h"

#include "kernels/bench.h"

namespace gemvec::bench {

void add_pool() {
  const kernels::PoolKernels& pool = *selected_kernels().pool;
  constexpr std::size_t kWidth = 768;
  // A row in; the sum stays in the level-1 cache.
  add_rows("pool/add/768", kWidth * sizeof(float), [&pool] {
    return [&pool, x = random_floats(kRows * kWidth), sum = random_floats(kWidth)](std::size_t i) mutable {
      pool.add(x.data() + i * kWidth, kWidth, sum.data());
    };
  });
}

}  // namespace gemvec::bench
