// Matrix products over codes, and the rounding of activations that goes before them.
#include "kernels/gemm_int8/gemm_int8.h"

#include "kernels/bench.h"

namespace gemvec::bench {

namespace {

constexpr std::size_t kGroup = 128;

struct Shape {
  const char* name;
  std::size_t k, n;
};
constexpr Shape kShapes[] = {
    {"query_key", 768, 1024}, {"o", 768, 768}, {"gate_up", 768, 2304}, {"down", 1152, 768}};
constexpr std::size_t kRowCounts[] = {18, 64, 128, 256};

// Any bytes are codes, and random floats are scales: a panel needs no more to be timed.
void multiply(benchmark::State& state, kernels::GemmInt8Fn gemm, std::size_t panel_bytes, const Shape& shape,
              std::size_t m) {
  const kernels::GemmInt8Kernels& kernels = *selected_kernels().gemm_int8;
  const double limit = measure_peak(kernels.peak);
  const std::size_t panels = shape.n / kernels::kPanel;
  const auto a = random_floats(m * shape.k * kernels.code_bytes / sizeof(float));
  const auto groups = random_floats(m * shape.k / kGroup * sizeof(kernels::RowGroup) / sizeof(float));
  const auto b = random_floats(panels * panel_bytes / sizeof(float));
  auto c = random_floats(m * shape.n);
  auto scratch = random_floats(kernels::gemm_int8_scratch_bytes(shape.k) / sizeof(float));
  const kernels::GemmInt8Args args = {.a = a.data(),
                                      .lda = shape.k,
                                      .a_groups = reinterpret_cast<const kernels::RowGroup*>(groups.data()),
                                      .ldg = shape.k / kGroup,
                                      .b = reinterpret_cast<const std::byte*>(b.data()),
                                      .c = c.data(),
                                      .ldc = shape.n,
                                      .m = m,
                                      .k = shape.k,
                                      .group = kGroup,
                                      .panels = panels,
                                      .scratch = scratch.data()};
  const double seconds = run(state, [&] { gemm(args); });
  report_flops(state, 2.0 * static_cast<double>(m * shape.k * shape.n), seconds, limit);
}

void add_kind(const std::string& kind, kernels::GemmInt8Fn gemm,
              std::size_t (*panel_bytes)(std::size_t k, std::size_t group)) {
  for (const Shape& shape : kShapes) {
    for (const std::size_t m : kRowCounts) {
      const std::string name = "gemm_int8/" + kind + "/" + shape.name + "/" + std::to_string(m);
      benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
        multiply(state, gemm, panel_bytes(shape.k, kGroup), shape, m);
      });
    }
  }
}

}  // namespace

void add_gemm_int8() {
  const kernels::GemmInt8Kernels& gemm = *selected_kernels().gemm_int8;
  add_kind("int8", gemm.int8, kernels::panel_bytes_int8);
  add_kind("int6", gemm.int6, kernels::panel_bytes_int6);
  add_kind("int4", gemm.int4, kernels::panel_bytes_int4);
}

void add_quantize() {
  const kernels::QuantizeKernels& quantize = *selected_kernels().quantize;
  const std::size_t code_bytes = selected_kernels().gemm_int8->code_bytes;
  for (const std::size_t n : {std::size_t{768}, std::size_t{1152}}) {
    add_rows("quantize/row/" + std::to_string(n), n * (sizeof(float) + code_bytes), [=, &quantize] {
      return [=, &quantize, x = random_floats(kRows * n), codes = random_floats(kRows * n),
              groups =
                  base::AlignedBuffer<kernels::RowGroup>::create(kRows * n / kGroup)](std::size_t i) mutable {
        quantize.row(x.data() + i * n, n, kGroup, codes.data() + i * n, groups->data() + i * n / kGroup);
      };
    });
  }
}

}  // namespace gemvec::bench
