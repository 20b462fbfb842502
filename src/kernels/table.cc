#include "kernels/table.h"

namespace gemvec::kernels {

namespace {

constexpr KernelTable kScalar = {
    cpu::Isa::kScalar, &kGemmScalar, &kNormScalar,    &kRopeScalar,      &kGegluScalar,
    &kSoftmaxScalar,   &kPoolScalar, &kConvertScalar, &kAttentionScalar,
};

#if defined(__x86_64__)
constexpr KernelTable kAvx2 = {
    cpu::Isa::kAvx2, &kGemmAvx2, &kNormAvx2,    &kRopeAvx2,      &kGegluAvx2,
    &kSoftmaxAvx2,   &kPoolAvx2, &kConvertAvx2, &kAttentionAvx2,
};
constexpr KernelTable kAvx512 = {
    cpu::Isa::kAvx512, &kGemmAvx512, &kNormAvx512,    &kRopeAvx512,      &kGegluAvx512,
    &kSoftmaxAvx512,   &kPoolAvx512, &kConvertAvx512, &kAttentionAvx512,
};
// bf16 dot products concern the matrix products and attention alone.
constexpr KernelTable kAvx512Bf16 = {
    cpu::Isa::kAvx512Bf16, &kGemmAvx512Bf16, &kNormAvx512,    &kRopeAvx512,          &kGegluAvx512,
    &kSoftmaxAvx512,       &kPoolAvx512,     &kConvertAvx512, &kAttentionAvx512Bf16,
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
    case cpu::Isa::kAvx512:
      return kAvx512;
    case cpu::Isa::kAvx512Bf16:
      return kAvx512Bf16;
  }
#endif
  return kScalar;
}

}  // namespace gemvec::kernels
