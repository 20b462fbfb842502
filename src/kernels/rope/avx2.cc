// Rotary position embedding with AVX2.
#include "kernels/simd/avx2.h"

#include "kernels/rope/rope.h"
#include "kernels/rope/rope.inl.h"

namespace gemvec::kernels {

const RopeKernels kRopeAvx2 = {
    .rotate = rotate,
};

}  // namespace gemvec::kernels
