#include "cpu/isa.h"

#include <cstdlib>
#include <string>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace gemvec::cpu {

#if defined(__x86_64__)
namespace {

// clang 14's __builtin_cpu_supports does not know AVX-VNNI. Its registers are AVX2's.
bool has_avx_vnni() {
  constexpr unsigned kLeaf = 7;
  constexpr unsigned kSubleaf = 1;
  constexpr unsigned kEaxBit = 1U << 4U;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  // Leaf 7, subleaf 0 says in EAX how many more subleaves there are.
  if (__get_cpuid_count(kLeaf, 0, &eax, &ebx, &ecx, &edx) == 0 || eax < kSubleaf) return false;
  __cpuid_count(kLeaf, kSubleaf, eax, ebx, ecx, edx);
  return (eax & kEaxBit) != 0;
}

// AMX-TILE, AMX-INT8 and AMX-BF16, of which the compilers' functions know nothing either.
bool has_tiles() {
  constexpr unsigned kLeaf = 7;
  constexpr unsigned kEdxBits = 1U << 22U | 1U << 24U | 1U << 25U;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(kLeaf, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & kEdxBits) == kEdxBits;
}

// Tiles are 8 KB more to save for each thread, and a signal's stack must have room for them: so Linux (5.16
// and later) wants to be asked. It refuses where a thread's alternative stack is too small.
bool may_use_tiles() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

}  // namespace
#endif

std::string_view name_of(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return "scalar";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvxVnni:
      return "avxvnni";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx512Vnni:
      return "avx512vnni";
    case Isa::kAvx512Bf16:
      return "avx512bf16";
    case Isa::kAmx:
      return "amx";
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
  const bool avx512_vnni = avx512 && __builtin_cpu_supports("avx512vnni");
  const bool avx512_bf16 = avx512_vnni && __builtin_cpu_supports("avx512bf16");
  switch (isa) {
    case Isa::kScalar:
      return true;
    case Isa::kAvx2:
      return avx2;
    case Isa::kAvxVnni:
      return avx2 && has_avx_vnni();
    case Isa::kAvx512:
      return avx512;
    case Isa::kAvx512Vnni:
      return avx512_vnni;
    case Isa::kAvx512Bf16:
      return avx512_bf16;
    case Isa::kAmx:
      return avx512_bf16 && has_tiles() && may_use_tiles();
  }
  return false;
#else
  return isa == Isa::kScalar;
#endif
}

Result<Isa> choose_isa(std::string_view forced, bool (*has)(Isa)) {
  std::string names;
  for (const Isa isa : kAllIsas) {
    if (forced.empty() ? has(isa) : name_of(isa) == forced) {
      if (has(isa)) return isa;
      return Error{ErrorCode::kUnsupported,
                   "GEMVEC_ISA: this machine does not have '" + std::string(forced) + "'."};
    }
    names += (names.empty() ? "" : ", ") + std::string(name_of(isa));
  }
  if (forced.empty()) return Isa::kScalar;
  return Error{ErrorCode::kInvalidArgument, "GEMVEC_ISA: there is no instruction set '" +
                                                std::string(forced) + "'; expected one of " + names + "."};
}

Result<Isa> select_isa() {
  const char* forced = std::getenv("GEMVEC_ISA");
  return choose_isa(forced == nullptr ? "" : forced, supported);
}

}  // namespace gemvec::cpu
