// Sums of rows with AVX2.
#include "kernels/simd/avx2.h"

#include "kernels/pool/pool.h"
#include "kernels/pool/pool.inl.h"

namespace gemvec::kernels {

const PoolKernels kPoolAvx2 = {
    .add = add,
    .scale = scale,
};

}  // namespace gemvec::kernels
