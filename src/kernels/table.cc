#include "kernels/table.h"

namespace gemvec::kernels {

namespace {

constexpr KernelTable kScalar = {
    cpu::Isa::kScalar, &kGemmScalar,    &kNormScalar, &kRopeScalar,
    &kGegluScalar,     &kSoftmaxScalar, &kPoolScalar, &kConvertScalar,
};

#if defined(__x86_64__)
constexpr KernelTable kAvx2 = {
    cpu::Isa::kAvx2, &kGemmAvx2,    &kNormAvx2, &kRopeAvx2,
    &kGegluAvx2,     &kSoftmaxAvx2, &kPoolAvx2, &kConvertAvx2,
};
// 8-bit dot products, with AVX2 or AVX-512 around them, concern nothing that is here yet.
constexpr KernelTable kAvxVnni = {
    cpu::Isa::kAvxVnni, &kGemmAvx2,    &kNormAvx2, &kRopeAvx2,
    &kGegluAvx2,        &kSoftmaxAvx2, &kPoolAvx2, &kConvertAvx2,
};
constexpr KernelTable kAvx512 = {
    cpu::Isa::kAvx512, &kGemmAvx512,    &kNormAvx512, &kRopeAvx512,
    &kGegluAvx512,     &kSoftmaxAvx512, &kPoolAvx512, &kConvertAvx512,
};
constexpr KernelTable kAvx512Vnni = {
    cpu::Isa::kAvx512Vnni, &kGemmAvx512,    &kNormAvx512, &kRopeAvx512,
    &kGegluAvx512,         &kSoftmaxAvx512, &kPoolAvx512, &kConvertAvx512,
};
// bf16 dot products concern the matrix products alone.
constexpr KernelTable kAvx512Bf16 = {
    cpu::Isa::kAvx512Bf16, &kGemmAvx512Bf16, &kNormAvx512, &kRopeAvx512,
    &kGegluAvx512,         &kSoftmaxAvx512,  &kPoolAvx512, &kConvertAvx512,
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
  }
#endif
  return kScalar;
}

}  // namespace gemvec::kernels
