// Attention of one text: all queries of it, as a block of rows has them.
#include "kernels/attention/attention.h"

#include <algorithm>

#include "kernels/bench.h"

namespace gemvec::bench {

namespace {

constexpr std::size_t kHeads = 3, kDim = 256;

// Multiply-adds over the keys that each query can see, for Q K^T and for P V.
double flops(std::size_t length, std::size_t reach) {
  double keys = 0;
  for (std::size_t i = 0; i < length; ++i) {
    const std::size_t begin = i > reach ? i - reach : 0;
    keys += static_cast<double>(std::min(length, i + reach + 1) - begin);
  }
  return 2.0 * 2.0 * kHeads * kDim * keys;
}

void attend(benchmark::State& state, const kernels::AttentionKernel& kernel,
            double (*peak)(std::size_t, float*), std::size_t length, std::size_t reach) {
  const double limit = measure_peak(peak);
  const auto k = random_floats(length * kDim), v = random_floats(length * kDim);
  const auto q = random_floats(length * kHeads * kDim);
  auto out = random_floats(length * kHeads * kDim);
  auto operand = random_floats(kernel.operand_bytes(length, kDim) / sizeof(float));
  auto scratch = random_floats(kernel.scratch_bytes(kDim) / sizeof(float));
  kernel.pack({.k = k.data(),
               .ldk = kDim,
               .v = v.data(),
               .ldv = kDim,
               .first = 0,
               .count = length,
               .length = length,
               .head_dim = kDim,
               .operand = operand.data()});
  const kernels::AttentionArgs args = {.q = q.data(),
                                       .ldq = kHeads * kDim,
                                       .operand = operand.data(),
                                       .length = length,
                                       .head_dim = kDim,
                                       .heads = kHeads,
                                       .first = 0,
                                       .tokens = length,
                                       .reach = reach,
                                       .out = out.data(),
                                       .ldo = kHeads * kDim,
                                       .scratch = scratch.data()};
  const double seconds = run(state, [&] { kernel.attend(args); });
  report_flops(state, flops(length, reach), seconds, limit);
}

void add_kind(const std::string& kind, const kernels::AttentionKernel& kernel,
              double (*peak)(std::size_t, float*)) {
  for (const std::size_t length : {17U, 190U, 512U, 2048U}) {
    for (const std::size_t reach : {std::size_t{256}, length}) {
      if (reach > length) continue;
      const std::string name =
          "attention/" + kind + (reach == length ? "/full/" : "/sliding/") + std::to_string(length);
      benchmark::RegisterBenchmark(name.c_str(), [=, &kernel](benchmark::State& state) {
        attend(state, kernel, peak, length, reach);
      });
    }
  }
}

}  // namespace

void add_attention() {
  const kernels::KernelTable& kernels = selected_kernels();
  add_kind("f32", *kernels.attention->f32, kernels.gemm->peak_f32);
  if (kernels.attention->bf16 != nullptr) add_kind("bf16", *kernels.attention->bf16, kernels.gemm->peak_bf16);
  // Beside the peak of what its weights and values are multiplied in: half of it is faster.
  if (kernels.attention->int8 != nullptr) {
    add_kind("int8", *kernels.attention->int8,
             kernels.attention->bf16 != nullptr ? kernels.gemm->peak_bf16 : kernels.gemm->peak_f32);
  }
}

}  // namespace gemvec::bench
