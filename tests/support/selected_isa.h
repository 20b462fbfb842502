// Which instruction set a test program runs.
#pragma once

#include <cstdlib>

#include "cpu/isa.h"

namespace gemvec::testing {

// The one that GEMVEC_ISA names, or the best. A program with emulated kernels has all of them where there is
// AVX2.
inline Result<cpu::Isa> selected_isa() {
#if defined(GEMVEC_EMULATED)
  const char* forced = std::getenv("GEMVEC_ISA");
  return cpu::choose_isa(forced == nullptr ? "" : forced, [](cpu::Isa isa) {
    return isa == cpu::Isa::kScalar || cpu::supported(cpu::Isa::kAvx2);
  });
#else
  return cpu::select_isa();
#endif
}

}  // namespace gemvec::testing
