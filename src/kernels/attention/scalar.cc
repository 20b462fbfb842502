// Attention in plain C++.
#include "kernels/simd/scalar.h"

#include "kernels/attention/attention.h"
#include "kernels/attention/attention.inl.h"

namespace gemvec::kernels {

const AttentionKernels kAttentionScalar = {
    .f32 = &kAttentionKernel<OperandF32>,
    .bf16 = nullptr,
    .int8 = nullptr,
};

}  // namespace gemvec::kernels
