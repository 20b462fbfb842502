// Attention with AVX2 and AVX-VNNI's dot products of bytes.
#include "kernels/simd/avx2.h"

#include "kernels/attention/attention.h"
#include "kernels/gemm_int8/dot_avxvnni.inl.h"

#include "kernels/attention/int8.inl.h"

namespace gemvec::kernels {

const AttentionKernels kAttentionAvxVnni = {
    .f32 = &kAttentionKernel<OperandF32>,
    .bf16 = nullptr,
    .int8 = &kAttentionKernel<OperandF32, Int8Scores>,
};

}  // namespace gemvec::kernels
