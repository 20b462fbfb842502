#include "engine/reference.h"

namespace gemvec::engine {

namespace {
#include "engine/reference_data.inc"
}  // namespace

std::span<const ReferenceCase> reference_cases() { return kCases; }

}  // namespace gemvec::engine
