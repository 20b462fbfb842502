// All kernels of one instruction set, chosen once when a model is loaded.
#pragma once

#include "cpu/isa.h"
#include "kernels/attention/attention.h"
#include "kernels/convert/convert.h"
#include "kernels/geglu/geglu.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm_int8/gemm_int8.h"
#include "kernels/norm/norm.h"
#include "kernels/pool/pool.h"
#include "kernels/quantize/quantize.h"
#include "kernels/rope/rope.h"

namespace gemvec::kernels {

// Every kernel here is independent of its companions in a batch: a row of the result is a function of its own
// row of the input, bit for bit. Between instruction sets, sums differ in the last bits.
struct KernelTable {
  cpu::Isa isa = cpu::Isa::kScalar;
  // Rows that a thread takes through a layer together. Every block reads all weights, and unpacks those in
  // codes; its activations, 8 KB a row, should stay in the level-2 cache meanwhile. 96 rows suit caches of 1
  // MB, or of 512 KB nearly; 128 and 64 were 2 and 1 % slower with AVX-512 and int8 products
  // (docs/benchmarks.md).
  std::size_t block_rows = 96;
  const GemmKernels* gemm = nullptr;
  const GemmInt8Kernels* gemm_int8 = nullptr;
  const QuantizeKernels* quantize = nullptr;  // makes the operands of gemm_int8
  const AttentionKernels* attention = nullptr;
  const NormKernels* norm = nullptr;
  const RopeKernels* rope = nullptr;
  const GegluKernels* geglu = nullptr;
  const PoolKernels* pool = nullptr;
  const ConvertKernels* convert = nullptr;
};

// REQUIRES: cpu::supported(isa).
const KernelTable& kernel_table(cpu::Isa isa);

}  // namespace gemvec::kernels
