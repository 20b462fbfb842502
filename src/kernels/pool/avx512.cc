// Sums of rows with AVX-512.
#include "kernels/simd/avx512.h"

#include "kernels/pool/pool.h"
#include "kernels/pool/pool.inl.h"

namespace gemvec::kernels {

const PoolKernels kPoolAvx512 = {
    .add = add,
    .scale = scale,
};

}  // namespace gemvec::kernels
