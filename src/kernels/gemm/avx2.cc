// Matrix products with AVX2.
#include "kernels/simd/avx2.h"

#include "kernels/gemm/blocked.inl.h"
#include "kernels/gemm/gemm.h"

namespace gemvec::kernels {

const GemmKernels kGemmAvx2 = {
    .f32 = multiply_blocked<UnpackF32>,
    .bf16_wide = multiply_blocked<UnpackBf16>,
    .bf16 = nullptr,
    .peak_f32 = peak_fma,
    .peak_bf16 = nullptr,
};

}  // namespace gemvec::kernels
