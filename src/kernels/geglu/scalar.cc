// The feed-forward's gate in plain C++.
#include "kernels/simd/scalar.h"

#include "kernels/geglu/geglu.h"
#include "kernels/geglu/geglu.inl.h"

namespace gemvec::kernels {

const GegluKernels kGegluScalar = {
    .geglu = geglu,
};

}  // namespace gemvec::kernels
