// Softmax with AVX2.
#include "kernels/simd/avx2.h"

#include "kernels/softmax/softmax.h"
#include "kernels/softmax/softmax.inl.h"

namespace gemvec::kernels {

const SoftmaxKernels kSoftmaxAvx2 = {
    .exponentials = exponentials,
    .scale = scale,
};

}  // namespace gemvec::kernels
