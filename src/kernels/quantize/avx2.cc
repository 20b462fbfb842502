// Rotation and rounding of activations with AVX2.
#include "kernels/simd/avx2.h"

#include "kernels/quantize/quantize.h"
#include "kernels/quantize/quantize.inl.h"

namespace gemvec::kernels {

const QuantizeKernels kQuantizeAvx2 = {.row = quantize_row<std::int8_t, true>,
                                       .plain = quantize_row<std::int8_t, false>};

}  // namespace gemvec::kernels
