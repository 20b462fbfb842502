// Matrix products with AVX-512.
#include "kernels/simd/avx512.h"

#include "kernels/gemm/gemm.h"
#include "kernels/gemm/tile.inl.h"

namespace gemvec::kernels {

const GemmKernels kGemmAvx512 = {
    .f32 = multiply<TileF32, Vec::kTileRows>,
    .bf16_wide = multiply<TileBf16Wide, Vec::kTileRows>,
    .bf16 = nullptr,
    .peak_f32 = peak_fma,
    .peak_bf16 = nullptr,
};

}  // namespace gemvec::kernels
