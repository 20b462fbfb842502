// Attention with AVX-512 and its dot products of bytes.
#include "kernels/simd/avx512.h"

#include "kernels/attention/attention.h"
#include "kernels/gemm_int8/dot_avx512vnni.inl.h"

#include "kernels/attention/int8.inl.h"

namespace gemvec::kernels {

const AttentionKernels kAttentionAvx512Vnni = {
    .f32 = &kAttentionKernel<OperandF32>,
    .bf16 = nullptr,
    .int8 = &kAttentionKernel<OperandF32, Int8Scores>,
};

}  // namespace gemvec::kernels
