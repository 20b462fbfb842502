// Sums of rows in plain C++.
#include "kernels/simd/scalar.h"

#include "kernels/pool/pool.h"
#include "kernels/pool/pool.inl.h"

namespace gemvec::kernels {

const PoolKernels kPoolScalar = {
    .add = add,
    .scale = scale,
};

}  // namespace gemvec::kernels
