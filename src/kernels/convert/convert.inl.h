// Number formats over a vector type Vec. Included after a simd header.
#pragma once

#include "kernels/convert/convert.h"

namespace gemvec::kernels {
namespace {

inline void to_bf16(const float* x, std::size_t n, std::uint16_t* y) {
  for (std::size_t i = 0; i < n; i += Vec::kLanes) Vec::store_bf16(Vec::load(x + i), y + i);
}

}  // namespace
}  // namespace gemvec::kernels
