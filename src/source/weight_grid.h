// Weights that were trained to stand on the numbers of a block format.
#pragma once

#include "base/thread_pool.h"
#include "gemvec/inspect.h"
#include "source/model_source.h"

namespace gemvec::source {

// Whether the linear layers of plain numbers stand on a grid of Q4_0 or Q8_0: each block of 32 is encoded,
// decoded and compared. Ends at the first block that does not, which is the first at all for weights that
// nobody trained for it, and otherwise reads all weights once, some rows at a time. Nothing is looked for in
// weights that are in codes already.
WeightGrid find_weight_grid(const ModelSource& source, base::ThreadPool& pool);

}  // namespace gemvec::source
