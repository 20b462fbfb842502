#include "kernels/table.h"

namespace gemvec::kernels {

namespace {

constexpr KernelTable kScalar = {
    .isa = cpu::Isa::kScalar,
    .gemm = &kGemmScalar,
    .gemm_int8 = &kGemmInt8Scalar,
    .quantize = &kQuantizeScalar,
    .attention = &kAttentionScalar,
    .norm = &kNormScalar,
    .rope = &kRopeScalar,
    .geglu = &kGegluScalar,
    .pool = &kPoolScalar,
    .convert = &kConvertScalar,
};

#if defined(__x86_64__)
constexpr KernelTable kAvx2 = {
    .isa = cpu::Isa::kAvx2,
    .gemm = &kGemmAvx2,
    .gemm_int8 = &kGemmInt8Avx2,
    .quantize = &kQuantizeAvx2,
    .attention = &kAttentionAvx2,
    .norm = &kNormAvx2,
    .rope = &kRopeAvx2,
    .geglu = &kGegluAvx2,
    .pool = &kPoolAvx2,
    .convert = &kConvertAvx2,
};
// 8-bit dot products, with AVX2 or AVX-512 around them, concern the int8 products and attention, and what
// AVX-512 makes of operands.
constexpr KernelTable kAvxVnni = {
    .isa = cpu::Isa::kAvxVnni,
    .gemm = &kGemmAvx2,
    .gemm_int8 = &kGemmInt8AvxVnni,
    .quantize = &kQuantizeAvx2,
    .attention = &kAttentionAvxVnni,
    .norm = &kNormAvx2,
    .rope = &kRopeAvx2,
    .geglu = &kGegluAvx2,
    .pool = &kPoolAvx2,
    .convert = &kConvertAvx2,
};
constexpr KernelTable kAvx512 = {
    .isa = cpu::Isa::kAvx512,
    .gemm = &kGemmAvx512,
    .gemm_int8 = &kGemmInt8Avx512,
    .quantize = &kQuantizeAvx512,
    .attention = &kAttentionAvx512,
    .norm = &kNormAvx512,
    .rope = &kRopeAvx512,
    .geglu = &kGegluAvx512,
    .pool = &kPoolAvx512,
    .convert = &kConvertAvx512,
};
constexpr KernelTable kAvx512Vnni = {
    .isa = cpu::Isa::kAvx512Vnni,
    .gemm = &kGemmAvx512,
    .gemm_int8 = &kGemmInt8Avx512Vnni,
    .quantize = &kQuantizeAvx512Vnni,
    .attention = &kAttentionAvx512Vnni,
    .norm = &kNormAvx512,
    .rope = &kRopeAvx512,
    .geglu = &kGegluAvx512,
    .pool = &kPoolAvx512,
    .convert = &kConvertAvx512,
};
// bf16 dot products concern the bf16 products and attention alone.
constexpr KernelTable kAvx512Bf16 = {
    .isa = cpu::Isa::kAvx512Bf16,
    .gemm = &kGemmAvx512Bf16,
    .gemm_int8 = &kGemmInt8Avx512Vnni,
    .quantize = &kQuantizeAvx512Vnni,
    .attention = &kAttentionAvx512Bf16,
    .norm = &kNormAvx512,
    .rope = &kRopeAvx512,
    .geglu = &kGegluAvx512,
    .pool = &kPoolAvx512,
    .convert = &kConvertAvx512,
};
// Tiles concern the products alone.
constexpr KernelTable kAmx = {
    .isa = cpu::Isa::kAmx,
    .block_rows = 160,  // processors with tiles have 2 MB of level-2 cache (docs/benchmarks.md)
    .gemm = &kGemmAmx,
    .gemm_int8 = &kGemmInt8Amx,
    .quantize = &kQuantizeAvx512Vnni,
    .attention = &kAttentionAmx,
    .norm = &kNormAvx512,
    .rope = &kRopeAvx512,
    .geglu = &kGegluAvx512,
    .pool = &kPoolAvx512,
    .convert = &kConvertAvx512,
};
#endif

}  // namespace

const KernelTable& kernel_table(cpu::Isa isa) {
#if defined(__x86_64__)
  switch (isa) {
    case cpu::Isa::kScalar:
      return kScalar;
    case cpu::Isa::kAvx2:
      return kAvx2;
    case cpu::Isa::kAvxVnni:
      return kAvxVnni;
    case cpu::Isa::kAvx512:
      return kAvx512;
    case cpu::Isa::kAvx512Vnni:
      return kAvx512Vnni;
    case cpu::Isa::kAvx512Bf16:
      return kAvx512Bf16;
    case cpu::Isa::kAmx:
      return kAmx;
  }
#endif
  return kScalar;
}

}  // namespace gemvec::kernels
