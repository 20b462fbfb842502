#include "cpu/isa.h"

#include <cstdlib>
#include <string>

namespace gemvec::cpu {

std::string_view name_of(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return "scalar";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx512Bf16:
      return "avx512bf16";
  }
  return "unknown";
}

bool supported(Isa isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  // The compiler's run-time library also asks XGETBV whether the registers are saved.
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  switch (isa) {
    case Isa::kScalar:
      return true;
    case Isa::kAvx2:
      return avx2;
    case Isa::kAvx512:
      return avx512;
    case Isa::kAvx512Bf16:
      return avx512 && __builtin_cpu_supports("avx512bf16");
  }
  return false;
#else
  return isa == Isa::kScalar;
#endif
}

Result<Isa> select_isa() {
  const char* forced = std::getenv("GEMVEC_ISA");
  if (forced == nullptr || *forced == '\0') {
    for (const Isa isa : kAllIsas) {
      if (supported(isa)) return isa;
    }
    return Isa::kScalar;
  }
  std::string names;
  for (const Isa isa : kAllIsas) {
    if (name_of(isa) == forced) {
      if (supported(isa)) return isa;
      return Error{ErrorCode::kUnsupported,
                   "GEMVEC_ISA: this machine does not have '" + std::string(forced) + "'."};
    }
    names += (names.empty() ? "" : ", ") + std::string(name_of(isa));
  }
  return Error{ErrorCode::kInvalidArgument, "GEMVEC_ISA: there is no instruction set '" +
                                                std::string(forced) + "'; expected one of " + names + "."};
}

}  // namespace gemvec::cpu
