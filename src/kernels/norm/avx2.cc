// RMSNorm with AVX2.
#include "kernels/simd/avx2.h"

#include "kernels/norm/norm.h"
#include "kernels/norm/norm.inl.h"

namespace gemvec::kernels {

const NormKernels kNormAvx2 = {
    .norm = norm,
    .add_norm = add_norm,
    .add_norm_norm = add_norm_norm,
};

}  // namespace gemvec::kernels
