#include "kernels/bench.h"

#include <time.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "cpu/isa.h"

namespace gemvec::bench {

namespace {

// The best of a few short runs: a disturbance slows, nothing speeds up. `run(n)` does n rounds and returns
// the work.
template <class Run>
double best_rate(Run run) {
  constexpr double kSeconds = 0.004;  // each
  constexpr int kRuns = 5;
  std::size_t rounds = 1;
  double best = 0;
  for (int i = 0; i < kRuns;) {
    const double begin = thread_seconds();
    const double work = run(rounds);
    const double seconds = thread_seconds() - begin;
    if (seconds < kSeconds) {
      rounds *= 2;
      continue;
    }
    best = std::max(best, work / seconds);
    ++i;
  }
  return best;
}

float next_float(std::uint32_t& state) {
  state = state * 1664525U + 1013904223U;
  return static_cast<float>(state >> 8U) * 0x1p-23F - 1.0F;
}

template <class T>
base::AlignedBuffer<T> allocate(std::size_t count) {
  return std::move(base::AlignedBuffer<T>::create(count)).value();
}

void report(benchmark::State& state, const char* unit, double rate, double peak) {
  state.counters[unit] = rate / 1e9;
  state.counters["share"] = rate / peak;
}

}  // namespace

const kernels::KernelTable& selected_kernels() { return kernels::kernel_table(*cpu::select_isa()); }

double thread_seconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

base::AlignedBuffer<float> random_floats(std::size_t count) {
  auto buffer = allocate<float>(count);
  std::uint32_t state = 1;
  std::generate_n(buffer.data(), count, [&] { return next_float(state); });
  return buffer;
}

base::AlignedBuffer<std::uint16_t> random_bf16(std::size_t count) {
  auto buffer = allocate<std::uint16_t>(count);
  std::uint32_t state = 1;
  std::generate_n(buffer.data(), count, [&] {
    return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(next_float(state)) >> 16U);
  });
  return buffer;
}

double measure_peak(double (*peak)(std::size_t, float*)) {
  float sink = 0;
  return best_rate([&](std::size_t rounds) { return peak(rounds * 1000, &sink); });
}

double measure_copy(std::size_t bytes) {
  const auto from = random_floats(bytes / 8);
  auto to = random_floats(bytes / 8);
  return best_rate([&](std::size_t rounds) {
    for (std::size_t i = 0; i < rounds; ++i) {
      std::memcpy(to.data(), from.data(), to.bytes());
      benchmark::ClobberMemory();
    }
    return 2.0 * static_cast<double>(to.bytes()) * static_cast<double>(rounds);
  });
}

void report_flops(benchmark::State& state, double flops, double seconds, double peak) {
  report(state, "GFLOP/s", flops / seconds, peak);
}

void report_bytes(benchmark::State& state, std::size_t bytes, double seconds) {
  report(state, "GB/s", static_cast<double>(bytes) / seconds, measure_copy(bytes));
}

}  // namespace gemvec::bench
