// Int8 matrix products with AVX-VNNI: AVX2 and its dot products of bytes.
#include "kernels/simd/avx2.h"

#include "kernels/gemm_int8/dot_avxvnni.inl.h"
#include "kernels/gemm_int8/gemm_int8.h"

#include "kernels/gemm_int8/tile.inl.h"

namespace gemvec::kernels {

const GemmInt8Kernels kGemmInt8AvxVnni = {
    .code_bytes = sizeof(std::int8_t),
    .int8 = multiply_int8<PanelInt8>,
    .int6 = multiply_int8<PanelInt6>,
    .int4 = multiply_int8<PanelInt4>,
    .peak = peak_int8<Dot>,
};

}  // namespace gemvec::kernels
