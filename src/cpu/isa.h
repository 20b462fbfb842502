// Which instruction sets there are, which this machine has, and which one to use.
#pragma once

#include <array>
#include <string_view>

#include "gemvec/result.h"

namespace gemvec::cpu {

// VNNI is the 8-bit dot product. It came twice, in two encodings: with AVX-512, and later for processors
// without AVX-512. A processor may have one, the other or both.
enum class Isa {
  kScalar,      // plain C++ for the x86-64 baseline
  kAvx2,        // AVX2 and FMA
  kAvxVnni,     // kAvx2 and AVX-VNNI: the 256-bit encoding
  kAvx512,      // kAvx2 and AVX-512 F, BW, DQ, VL
  kAvx512Vnni,  // kAvx512 and AVX512-VNNI
  kAvx512Bf16,  // kAvx512Vnni and AVX512-BF16 dot products: no processor has these without VNNI
  kAmx,         // kAvx512Bf16 and tiles of int8 and bf16 (AMX)
};

inline constexpr std::array kAllIsas = {Isa::kAmx,     Isa::kAvx512Bf16, Isa::kAvx512Vnni, Isa::kAvx512,
                                        Isa::kAvxVnni, Isa::kAvx2,       Isa::kScalar};  // best first

std::string_view name_of(
    Isa isa);  // "scalar", "avx2", "avxvnni", "avx512", "avx512vnni", "avx512bf16", "amx"

// Does this processor have it, and does the operating system save its registers? Linux saves tiles only for a
// process that asks for it: asking about kAmx does so, for all threads, once and for good.
bool supported(Isa isa);

// The best supported one, or the one that the environment's GEMVEC_ISA names.
// Errors: kInvalidArgument (no such name; lists them), kUnsupported (this machine lacks it).
Result<Isa> select_isa();

// What select_isa() decides, given the environment's word (empty: none) and the machine: the tests have every
// machine.
Result<Isa> choose_isa(std::string_view forced, bool (*has)(Isa));

}  // namespace gemvec::cpu
