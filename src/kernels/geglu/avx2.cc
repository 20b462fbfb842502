// The feed-forward's gate with AVX2.
#include "kernels/simd/avx2.h"

#include "kernels/geglu/geglu.h"
#include "kernels/geglu/geglu.inl.h"

namespace gemvec::kernels {

const GegluKernels kGegluAvx2 = {
    .geglu = geglu,
};

}  // namespace gemvec::kernels
