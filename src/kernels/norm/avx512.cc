// RMSNorm with AVX-512.
#include "kernels/simd/avx512.h"

#include "kernels/norm/norm.h"
#include "kernels/norm/norm.inl.h"

namespace gemvec::kernels {

const NormKernels kNormAvx512 = {
    .norm = norm,
    .add_norm = add_norm,
    .add_norm_norm = add_norm_norm,
};

}  // namespace gemvec::kernels
