// Attention with AVX2.
#include "kernels/simd/avx2.h"

#include "kernels/attention/attention.h"
#include "kernels/attention/attention.inl.h"

namespace gemvec::kernels {

const AttentionKernels kAttentionAvx2 = {
    .f32 = &kAttentionKernel<OperandF32>,
    .bf16 = nullptr,
    .int8 = nullptr,
};

}  // namespace gemvec::kernels
