// Stands in for the compiler's <immintrin.h> where kernels are compiled to be emulated: 512-bit vectors and
// the dot products in AVX2 code, from SIMDe where it has them, from missing.h where it has not.
//
// An intrinsic that neither has is left to the compiler, which refuses it: "target specific option mismatch".
// Then it goes into missing.h, and with a plain loop into emulation_test.cc, as does one that SIMDe has.
#pragma once

#include_next <immintrin.h>

// SIMDe's functions under Intel's names.
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include "emulation/missing.h"
#include "emulation/tiles.h"

#include "emulation/names.inc"
