// Between number formats.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gemvec::kernels {

struct ConvertKernels {
  // fp32 to bf16, to nearest, ties to even; values are finite. x, y: [n], n a multiple of 32. The same bits
  // on every instruction set.
  void (*to_bf16)(const float* x, std::size_t n, std::uint16_t* y);
};

extern const ConvertKernels kConvertScalar;
extern const ConvertKernels kConvertAvx2;
extern const ConvertKernels kConvertAvx512;

}  // namespace gemvec::kernels
