// Texts to micro-batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/try.h"
#include "gemvec/embedder.h"
#include "gemvec/result.h"

namespace gemvec::engine {

// One text's ids, owned or borrowed.
struct BatchItem {
  std::span<const std::int32_t> ids;
  TextInfo info;
};

// A micro-batch: which items, and their ids one after the other.
struct MicroBatch {
  std::vector<std::size_t> items;
  std::vector<std::int32_t> ids;
  std::vector<std::size_t> offsets = {0};

  void clear();
  void add(std::size_t index, std::span<const std::int32_t> more);
};

struct BatchLimits {
  std::uint64_t max_memory = 0;  // bytes of working memory; 0: no limit
  // Working memory of a batch of so many tokens, each text's rounded up to whole panels of keys.
  std::function<std::uint64_t(std::size_t tokens)> bytes;
};

// Calls run(batch) for all items in micro-batches, longest first: neighbours are then of similar length, and
// what is left for the end is small. Stops at the first error of run(). Errors: kCancelled, kInvalidArgument
// (a text alone needs more than max_memory; none was run then).
Status for_batches(const std::vector<BatchItem>& items, const BatchLimits& limits,
                   const std::function<bool()>& cancelled,
                   const std::function<Status(const MicroBatch&)>& run);

}  // namespace gemvec::engine
