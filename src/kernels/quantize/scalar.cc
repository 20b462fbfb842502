// Rotation and rounding of activations in plain C++.
#include "kernels/simd/scalar.h"

#include "kernels/quantize/quantize.h"
#include "kernels/quantize/quantize.inl.h"

namespace gemvec::kernels {

const QuantizeKernels kQuantizeScalar = {.row = quantize_row<std::int16_t, true>,
                                         .plain = quantize_row<std::int16_t, false>};

}  // namespace gemvec::kernels
