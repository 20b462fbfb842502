// Softmax with AVX-512.
#include "kernels/simd/avx512.h"

#include "kernels/softmax/softmax.h"
#include "kernels/softmax/softmax.inl.h"

namespace gemvec::kernels {

const SoftmaxKernels kSoftmaxAvx512 = {
    .exponentials = exponentials,
    .scale = scale,
};

}  // namespace gemvec::kernels
