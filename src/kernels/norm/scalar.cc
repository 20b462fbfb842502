// RMSNorm in plain C++.
#include "kernels/simd/scalar.h"

#include "kernels/norm/norm.h"
#include "kernels/norm/norm.inl.h"

namespace gemvec::kernels {

const NormKernels kNormScalar = {
    .norm = norm,
    .add_norm = add_norm,
    .add_norm_norm = add_norm_norm,
};

}  // namespace gemvec::kernels
