// kernel_bench: each family of kernels alone, on one thread, over the model's shapes.
#include <cstdio>
#include <string>

#include "cpu/isa.h"
#include "kernels/bench.h"

int main(int argc, char** argv) {
  const auto isa = gemvec::cpu::select_isa();
  if (!isa.ok()) {
    std::fprintf(stderr, "%s\n", isa.error().message.c_str());
    return 1;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("instruction set", std::string(gemvec::cpu::name_of(*isa)));
  gemvec::bench::add_gemm();
  gemvec::bench::add_gemm_int8();
  gemvec::bench::add_quantize();
  gemvec::bench::add_attention();
  gemvec::bench::add_norm();
  gemvec::bench::add_rope();
  gemvec::bench::add_geglu();
  gemvec::bench::add_pool();
  gemvec::bench::add_convert();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
