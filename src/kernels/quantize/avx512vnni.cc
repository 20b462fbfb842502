// Rotation and rounding of activations for AVX512-VNNI, which takes bytes.
#include "kernels/simd/avx512.h"

#include "kernels/quantize/quantize.h"
#include "kernels/quantize/quantize.inl.h"

namespace gemvec::kernels {

const QuantizeKernels kQuantizeAvx512Vnni = {.row = quantize_row<std::int8_t, true>,
                                             .plain = quantize_row<std::int8_t, false>};

}  // namespace gemvec::kernels
