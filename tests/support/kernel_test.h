// What kernel tests share: the kernels under test and reproducible numbers.
#pragma once

#include "kernels/table.h"
#include "support/random.h"
#include "support/selected_isa.h"

namespace gemvec::testing {

// The kernels that GEMVEC_ISA names, or the best. tests/support/main.cc has made sure that they can run.
inline const kernels::KernelTable& selected_kernels() { return kernels::kernel_table(*selected_isa()); }

}  // namespace gemvec::testing
