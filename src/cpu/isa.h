// Which instruction sets there are, which this machine has, and which one to use.
#pragma once

#include <array>
#include <string_view>

#include "gemvec/result.h"

namespace gemvec::cpu {

// Each level includes the ones before it.
enum class Isa {
  kScalar,      // plain C++ for the x86-64 baseline
  kAvx2,        // AVX2 and FMA
  kAvx512,      // AVX-512 F, BW, DQ, VL
  kAvx512Bf16,  // and AVX512-BF16 dot products
};

inline constexpr std::array kAllIsas = {Isa::kAvx512Bf16, Isa::kAvx512, Isa::kAvx2,
                                        Isa::kScalar};  // best first

std::string_view name_of(Isa isa);  // "scalar", "avx2", "avx512", "avx512bf16"

// Does this processor have it, and does the operating system save its registers?
bool supported(Isa isa);

// The best supported one, or the one that the environment's GEMVEC_ISA names.
// Errors: kInvalidArgument (no such name; lists them), kUnsupported (this machine lacks it).
Result<Isa> select_isa();

}  // namespace gemvec::cpu
