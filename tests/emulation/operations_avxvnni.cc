// AVX-VNNI's 8-bit dot product. Compiled twice: operations.h.
#include <immintrin.h>

#include <cstring>
#include <iterator>

#include "emulation/operations.h"

namespace gemvec::emulation {
namespace {

__m256i part(const Operands& o, std::size_t i) {
  __m256i v;
  std::memcpy(&v, o.v[i].data(), sizeof(v));
  return v;
}

constexpr Operation kList[] = {
    {"_mm256_dpbusd_avx_epi32",
     [](const Operands& o, Outcome& out) {
       const __m256i result = _mm256_dpbusd_avx_epi32(part(o, 0), part(o, 1), part(o, 2));
       std::memcpy(out.bytes.data(), &result, sizeof(result));
       out.size = sizeof(result);
     }},
};

}  // namespace

const Operations GEMVEC_OPERATIONS = {kList, std::size(kList)};

}  // namespace gemvec::emulation
