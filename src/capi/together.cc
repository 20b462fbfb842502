#include "capi/together.h"

#include <algorithm>
#include <numeric>

#include "base/try.h"
#include "engine/finish.h"

namespace gemvec::capi {

namespace {

Result<Embeddings> finish(const std::vector<float>& raw, std::size_t count, const EmbedOptions& options) {
  const std::size_t width = raw.size() / count;
  Embeddings result;
  result.count = count;
  result.dim = std::min<std::size_t>(options.dim, width);
  result.values.resize(count * result.dim);
  std::vector<std::size_t> rows(count);
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  GEMVEC_CHECK_OK(engine::finish_vectors(raw, rows, options.normalize, result));
  return result;
}

}  // namespace

Result<Embeddings> Together::embed_ids(std::span<const std::span<const std::int32_t>> lists,
                                       const EmbedOptions& options) {
  const bool known_dim =
      std::find(kTrainedDims.begin(), kTrainedDims.end(), options.dim) != kTrainedDims.end();
  if (lists.empty() || !known_dim) return embedder_.embed_ids(lists, options);  // which says what is wrong
  if (options.cancelled && options.cancelled())
    return Error{ErrorCode::kCancelled, "Embedding was cancelled."};
  Waiting own{.lists = lists};
  for (const auto& list : lists) own.tokens += list.size();
  wait_for(own);
  if (!own.computed) return embedder_.embed_ids(lists, options);
  auto result = finish(own.raw, lists.size(), options);
  if (!result.ok()) return result;
  result->texts = std::move(own.texts);
  if (options.progress) options.progress(lists.size(), lists.size());
  return result;
}

Together::Long::Long(Together& together) : together_(together) {
  const std::scoped_lock lock(together_.mutex_);
  ++together_.long_;
}

Together::Long::~Long() {
  const std::scoped_lock lock(together_.mutex_);
  --together_.long_;
  together_.changed_.notify_all();
}

void Together::serve() {
  std::unique_lock lock(mutex_);
  if (!busy_ && first_ != nullptr) work(lock);
}

void Together::wait_for(Waiting& own) {
  std::unique_lock lock(mutex_);
  (first_ == nullptr ? first_ : last_->next) = &own;
  last_ = &own;
  while (!own.done) {
    // Beside a long call this thread would wait for the model itself, while all others wait for this thread.
    if (busy_ || long_ > 0) {
      changed_.wait(lock);
    } else {
      work(lock);  // of the oldest calls; if this one is not among them, there is another turn
    }
  }
}

void Together::work(std::unique_lock<std::mutex>& lock) {
  busy_ = true;
  Waiting* calls = take();
  lock.unlock();
  run(calls);
  lock.lock();
  for (Waiting* call = calls; call != nullptr;) {
    Waiting* next = call->next;  // its thread may go as soon as it is done and the lock is free
    call->done = true;
    call = next;
  }
  busy_ = false;
  changed_.notify_all();
}

Together::Waiting* Together::take() {
  Waiting* calls = first_;
  Waiting* end = calls;
  for (std::size_t tokens = calls->tokens; end->next != nullptr; end = end->next) {
    tokens += end->next->tokens;
    if (tokens > kMaxTokens) break;
  }
  first_ = end->next;
  end->next = nullptr;
  return calls;
}

void Together::run(Waiting* calls) noexcept {
  try {
    compute(calls);
  } catch (...) {  // memory ran out: each call tries alone, and says so
    for (Waiting* call = calls; call != nullptr; call = call->next) call->computed = false;
  }
}

void Together::compute(Waiting* calls) const {
  std::vector<std::span<const std::int32_t>> lists;
  for (const Waiting* call = calls; call != nullptr; call = call->next) {
    lists.insert(lists.end(), call->lists.begin(), call->lists.end());
  }
  EmbedOptions options;
  options.normalize = false;
  auto embedded = embedder_.embed_ids(lists, options);
  if (!embedded.ok()) return;
  std::size_t first = 0;
  for (Waiting* call = calls; call != nullptr; call = call->next) {
    const std::size_t count = call->lists.size();
    const auto rows = std::span(embedded->values).subspan(first * embedded->dim, count * embedded->dim);
    call->raw.assign(rows.begin(), rows.end());
    const auto texts = std::span(embedded->texts).subspan(first, count);
    call->texts.assign(texts.begin(), texts.end());
    call->computed = true;
    first += count;
  }
}

}  // namespace gemvec::capi
