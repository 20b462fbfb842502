// Softmax in plain C++.
#include "kernels/simd/scalar.h"

#include "kernels/softmax/softmax.h"
#include "kernels/softmax/softmax.inl.h"

namespace gemvec::kernels {

const SoftmaxKernels kSoftmaxScalar = {
    .exponentials = exponentials,
    .scale = scale,
};

}  // namespace gemvec::kernels
