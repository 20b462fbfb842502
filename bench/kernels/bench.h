// What the benchmarks of the kernels share. A family is one file with one function add_FAMILY(), which main()
// calls.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/aligned.h"
#include "kernels/table.h"

namespace gemvec::bench {

// Each registers a family's benchmarks, named family/function/shape.
void add_gemm();
void add_gemm_int8();
void add_quantize();
void add_attention();
void add_norm();
void add_rope();
void add_geglu();
void add_pool();
void add_convert();

// The kernels that GEMVEC_ISA names, or the best.
const kernels::KernelTable& selected_kernels();

// Aligned to 64 bytes, filled with reproducible numbers in [-1, 1).
base::AlignedBuffer<float> random_floats(std::size_t count);
base::AlignedBuffer<std::uint16_t> random_bf16(std::size_t count);

// The processor's time that this thread has had, in seconds: what Google Benchmark counts too. On a busy
// machine the wall's clock would count others' time.
double thread_seconds();

// FLOP/s of a peak_* function of the gemm table, measured now, on one thread.
double measure_peak(double (*peak)(std::size_t iterations, float* sink));
// Bytes/s, read and written, of a copy whose source and target are `bytes` together, measured now.
double measure_copy(std::size_t bytes);

// Runs `iteration` as often as `state` wants, and returns how many seconds one took.
template <class Iteration>
double run(benchmark::State& state, Iteration iteration) {
  const double begin = thread_seconds();
  for (auto _ : state) {
    iteration();
    benchmark::ClobberMemory();
  }
  return (thread_seconds() - begin) / static_cast<double>(state.iterations());
}

// Sets GFLOP/s and its share of `peak` (FLOP/s), given the FLOP of one iteration and its seconds.
void report_flops(benchmark::State& state, double flops, double seconds, double peak);
// Sets GB/s and its share of a copy of as many bytes: what one iteration reads and writes.
void report_bytes(benchmark::State& state, std::size_t bytes, double seconds);

// One micro-batch: enough rows to be timed, few enough for the level-2 cache.
inline constexpr std::size_t kRows = 64;

// Registers row(i) for i < kRows as one iteration, which reads and writes `bytes_per_row` each; `make` gives
// `row`, with the memory that it works on.
template <class Make>
void add_rows(const std::string& name, std::size_t bytes_per_row, Make make) {
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    auto row = make();
    const double seconds = run(state, [&row] {
      for (std::size_t i = 0; i < kRows; ++i) row(i);
    });
    report_bytes(state, kRows * bytes_per_row, seconds);
  });
}

}  // namespace gemvec::bench
