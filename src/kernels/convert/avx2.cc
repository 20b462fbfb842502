// Number formats with AVX2.
#include "kernels/simd/avx2.h"

#include "kernels/convert/convert.h"
#include "kernels/convert/convert.inl.h"

namespace gemvec::kernels {

const ConvertKernels kConvertAvx2 = {
    .to_bf16 = to_bf16,
};

}  // namespace gemvec::kernels
