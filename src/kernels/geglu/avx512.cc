// The feed-forward's gate with AVX-512.
#include "kernels/simd/avx512.h"

#include "kernels/geglu/geglu.h"
#include "kernels/geglu/geglu.inl.h"

namespace gemvec::kernels {

const GegluKernels kGegluAvx512 = {
    .geglu = geglu,
};

}  // namespace gemvec::kernels
