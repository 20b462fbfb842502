#include "engine/micro_batches.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "kernels/attention/attention.h"

namespace gemvec::engine {

namespace {

// Tokens of a micro-batch: as many as one text may have, since memory for these has to be there anyway, and
// enough that sixteen blocks of rows are shared among the threads.
constexpr std::size_t kTokenBudget = 2048;

// A text's tokens as its keys count them: in whole panels.
std::size_t padded(std::size_t tokens) {
  constexpr std::size_t kPanel = kernels::kAttentionPanel;
  return (tokens + kPanel - 1) / kPanel * kPanel;
}

// The padded tokens that fit into the limit: the memory grows with them evenly, so they are found by halving.
std::size_t token_limit(const BatchLimits& limits) {
  if (limits.max_memory == 0) return SIZE_MAX;
  std::size_t fits = 0;
  for (std::size_t step = kTokenBudget; step > 0; step /= 2) {
    if (fits + step <= kTokenBudget && limits.bytes(fits + step) <= limits.max_memory) fits += step;
  }
  return fits;
}

}  // namespace

void MicroBatch::clear() {
  items.clear();
  ids.clear();
  offsets.assign(1, 0);
}

void MicroBatch::add(std::size_t index, std::span<const std::int32_t> more) {
  items.push_back(index);
  ids.insert(ids.end(), more.begin(), more.end());
  offsets.push_back(ids.size());
}

Status for_batches(const std::vector<BatchItem>& items, const BatchLimits& limits,
                   const std::function<bool()>& cancelled,
                   const std::function<Status(const MicroBatch&)>& run) {
  const std::size_t limit = token_limit(limits);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::size_t tokens = items[i].ids.size();
    if (padded(tokens) <= limit) continue;
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("Text {}: its {} tokens need {} bytes of working memory, but max_memory is {}.",
                             i, tokens, limits.bytes(padded(tokens)), limits.max_memory)};
  }
  std::vector<std::size_t> order(items.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return items[a].ids.size() > items[b].ids.size(); });
  MicroBatch batch;
  for (std::size_t next = 0; next < order.size();) {
    if (cancelled && cancelled()) return Error{ErrorCode::kCancelled, "Embedding was cancelled."};
    batch.clear();
    std::size_t room = limit;
    do {
      batch.add(order[next], items[order[next]].ids);
      room -= padded(items[order[next]].ids.size());
      ++next;
    } while (next < order.size() && batch.ids.size() + items[order[next]].ids.size() <= kTokenBudget &&
             padded(items[order[next]].ids.size()) <= room);
    GEMVEC_CHECK_OK(run(batch));
  }
  return {};
}

}  // namespace gemvec::engine
