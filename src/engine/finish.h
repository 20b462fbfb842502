// What leaves the model: vectors cut to length and to unit length.
#pragma once

#include <cstddef>
#include <span>

#include "gemvec/embedder.h"
#include "gemvec/result.h"

namespace gemvec::engine {

// finish_vector() of each row: `raw` [rows.size(), width] to the vectors result.vector(rows[i]), whose room
// is there. Errors: those of finish_vector(), and the message names the text.
Status finish_vectors(std::span<const float> raw, std::span<const std::size_t> rows, bool normalize,
                      Embeddings& result);

}  // namespace gemvec::engine
