// The feed-forward's gate: GELU (tanh form) of one half times the other.
#pragma once

#include <cstddef>

namespace gemvec::kernels {

struct GegluKernels {
  // y[i] = gelu(gate[i]) * up[i], gelu(x) = 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). All [n], n a
  // multiple of 32. y may be gate. The erf form of GELU differs by 3.5e-5 and is wrong here.
  void (*geglu)(const float* gate, const float* up, std::size_t n, float* y);
};

extern const GegluKernels kGegluScalar;
extern const GegluKernels kGegluAvx2;
extern const GegluKernels kGegluAvx512;

}  // namespace gemvec::kernels
