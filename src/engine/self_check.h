// The check at load: do these weights, on this machine, give the release's answers?
#pragma once

#include "gemvec/embedder.h"

namespace gemvec::engine {

// Embeds the card's example and sets impl.check. What was found is remembered beside the packed weights, for
// this instruction set and arithmetic, so that the next load only reads it. Errors: kBadFormat (vectors that
// are zero or not finite).
Status self_check(const Embedder& embedder, Embedder::Impl& impl);

}  // namespace gemvec::engine
