// Matrix products with AVX2.
#include "kernels/simd/avx2.h"

#include "kernels/gemm/gemm.h"
#include "kernels/gemm/tile.inl.h"

namespace gemvec::kernels {

const GemmKernels kGemmAvx2 = {
    .f32 = multiply<TileF32, Vec::kTileRows>,
    .bf16_wide = multiply<TileBf16Wide, Vec::kTileRows>,
    .bf16 = nullptr,
    .peak_f32 = peak_fma,
    .peak_bf16 = nullptr,
};

}  // namespace gemvec::kernels
