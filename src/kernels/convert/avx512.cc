// Number formats with AVX-512.
#include "kernels/simd/avx512.h"

#include "kernels/convert/convert.h"
#include "kernels/convert/convert.inl.h"

namespace gemvec::kernels {

const ConvertKernels kConvertAvx512 = {
    .to_bf16 = to_bf16,
};

}  // namespace gemvec::kernels
