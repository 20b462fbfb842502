// Rotary position embedding in plain C++.
#include "kernels/simd/scalar.h"

#include "kernels/rope/rope.h"
#include "kernels/rope/rope.inl.h"

namespace gemvec::kernels {

const RopeKernels kRopeScalar = {
    .rotate = rotate,
};

}  // namespace gemvec::kernels
