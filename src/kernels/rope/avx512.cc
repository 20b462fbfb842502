// Rotary position embedding with AVX-512.
#include "kernels/simd/avx512.h"

#include "kernels/rope/rope.h"
#include "kernels/rope/rope.inl.h"

namespace gemvec::kernels {

const RopeKernels kRopeAvx512 = {
    .rotate = rotate,
};

}  // namespace gemvec::kernels
