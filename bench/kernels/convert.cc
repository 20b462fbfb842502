// Rounding to bf16.
#include "kernels/convert/convert.h"

#include "kernels/bench.h"

namespace gemvec::bench {

void add_convert() {
  const kernels::ConvertKernels& convert = *selected_kernels().convert;
  for (const std::size_t n : {std::size_t{768}, std::size_t{1152}}) {
    add_rows("convert/to_bf16/" + std::to_string(n), n * (sizeof(float) + sizeof(std::uint16_t)),
             [=, &convert] {
               return [=, &convert, x = random_floats(kRows * n), y = random_bf16(kRows * n)](
                          std::size_t i) mutable { convert.to_bf16(x.data() + i * n, n, y.data() + i * n); };
             });
  }
}

}  // namespace gemvec::bench
