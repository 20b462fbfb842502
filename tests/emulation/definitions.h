// What each instruction does, as a plain loop.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "emulation/operations.h"

namespace gemvec::emulation {

enum class Numbers {
  kExact,   // the same bits
  kFloats,  // floats: the same bits, but any NaN is like another
  kFinite,  // like kFloats; the instruction's order is the compiler's own, so operands hold no NaN and no -0
};

struct Definition {
  std::string_view name;
  Numbers numbers;
  std::function<void(const Operands&, Outcome&)> run;
};

// Of every instruction in operations_avx512.cc, operations_avxvnni.cc and operations_amx.cc.
const std::vector<Definition>& definitions();

}  // namespace gemvec::emulation
