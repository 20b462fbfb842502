// Matrix products: the linear layers of one block, at rows of one short text, one long one, and
// micro-batches.
#include "kernels/gemm/gemm.h"

#include "kernels/bench.h"

namespace gemvec::bench {

namespace {

struct Shape {
  const char* name;
  std::size_t k, n;
};
constexpr Shape kShapes[] = {
    {"qkv", 768, 1280}, {"o", 768, 768}, {"gate_up", 768, 2304}, {"down", 1152, 768}};
constexpr std::size_t kRowCounts[] = {18, 64, 256, 1024};

// A and B as the kernel takes them: fp32 or bf16, which random_floats and random_bf16 make.
template <class A, class B>
void multiply(benchmark::State& state, kernels::GemmFn gemm, double (*peak)(std::size_t, float*),
              const Shape& shape, std::size_t m, base::AlignedBuffer<A> (*make_a)(std::size_t),
              base::AlignedBuffer<B> (*make_b)(std::size_t)) {
  const double limit = measure_peak(peak);
  const auto a = make_a(m * shape.k);
  const auto b = make_b(shape.k * shape.n);
  auto c = random_floats(m * shape.n);
  const kernels::GemmArgs args = {.a = a.data(),
                                  .lda = shape.k,
                                  .b = b.data(),
                                  .b_panel_stride = shape.k * kernels::kPanel,
                                  .c = c.data(),
                                  .ldc = shape.n,
                                  .m = m,
                                  .k = shape.k,
                                  .panels = shape.n / kernels::kPanel};
  const double seconds = run(state, [&] { gemm(args); });
  report_flops(state, 2.0 * static_cast<double>(m * shape.k * shape.n), seconds, limit);
}

template <class Run>
void add_kind(const std::string& kind, Run run_shape) {
  for (const Shape& shape : kShapes) {
    for (const std::size_t m : kRowCounts) {
      const std::string name = "gemm/" + kind + "/" + shape.name + "/" + std::to_string(m);
      benchmark::RegisterBenchmark(name.c_str(),
                                   [=](benchmark::State& state) { run_shape(state, shape, m); });
    }
  }
}

}  // namespace

void add_gemm() {
  const kernels::GemmKernels& gemm = *selected_kernels().gemm;
  add_kind("f32", [&gemm](benchmark::State& state, const Shape& shape, std::size_t m) {
    multiply(state, gemm.f32, gemm.peak_f32, shape, m, random_floats, random_floats);
  });
  add_kind("bf16_wide", [&gemm](benchmark::State& state, const Shape& shape, std::size_t m) {
    multiply(state, gemm.bf16_wide, gemm.peak_f32, shape, m, random_floats, random_bf16);
  });
  if (gemm.bf16 == nullptr) return;
  add_kind("bf16", [&gemm](benchmark::State& state, const Shape& shape, std::size_t m) {
    multiply(state, gemm.bf16, gemm.peak_bf16, shape, m, random_bf16, random_bf16);
  });
}

}  // namespace gemvec::bench
