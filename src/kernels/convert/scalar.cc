// Number formats in plain C++.
#include "kernels/simd/scalar.h"

#include "kernels/convert/convert.h"
#include "kernels/convert/convert.inl.h"

namespace gemvec::kernels {

const ConvertKernels kConvertScalar = {
    .to_bf16 = to_bf16,
};

}  // namespace gemvec::kernels
