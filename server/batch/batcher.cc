#include "server/batch/batcher.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <span>
#include <thread>
#include <utility>

#include "server/batch/queue.h"
#include "server/batch/share.h"
#include "server/batch/vector_cache.h"

namespace gemvec::server {

namespace {

using Clock = std::chrono::steady_clock;
using Batch = std::vector<std::shared_ptr<QueuedText>>;

// A request of so few tokens, all its texts together, is somebody's question: the longest prompt has 11, and
// a question of 80 tokens is a long one.
constexpr std::size_t kFirstLaneTokens = 96;
// Of a micro-batch of the first lane: a quarter of a second of work on a slow machine, and enough rows for
// the kernels to be at their best.
constexpr std::size_t kFirstBatchTokens = 512;
// Of the bulk lane. It is interrupted between layers, so its size costs the first lane a 24th of its time.
constexpr std::size_t kBulkBatchTokens = 1024;
// Before the first micro-batch has been timed.
constexpr double kGuessTokensPerSecond = 1000;

std::size_t tokens_of(const Batch& batch) {
  std::size_t tokens = 0;
  for (const auto& text : batch) tokens += text->key.ids.size();
  return tokens;
}

}  // namespace

// A job whose texts are not all done.
struct PendingJob {
  BatchJob job;
  std::vector<Computed> computed;
  std::size_t missing = 0;
};

struct Batcher::Impl {
  Impl(const Embedder& the_embedder, const BatchLimits& the_limits, Metrics& the_metrics)
      : embedder(the_embedder), limits(the_limits), metrics(the_metrics), cache(the_limits.cached_vectors) {
    thread = std::thread([this] { loop(); });
  }

  bool submit(BatchJob job);
  void loop();
  // One micro-batch of a lane, if something waits in it.
  void run_one(Lane lane, const std::function<void()>& between_layers);
  Batch take(Lane lane);
  std::vector<Computed> compute(const Batch& batch, const std::function<void()>& between_layers);
  void deliver(const Batch& batch, std::vector<Computed> computed, Clock::time_point began);
  std::vector<std::shared_ptr<PendingJob>> settle(const Batch& batch, const std::vector<Computed>& computed,
                                                  Clock::time_point began);
  void finish(PendingJob& pending);

  const Embedder& embedder;
  const BatchLimits limits;
  Metrics& metrics;

  std::mutex mutex;  // of what follows, up to the thread
  std::condition_variable wake;
  TextQueue queue;
  VectorCache cache;
  std::size_t in_flight = 0;  // texts
  bool stopping = false;

  std::atomic<bool> healthy{true};
  std::atomic<double> tokens_per_second{kGuessTokensPerSecond};
  std::thread thread;
};

bool Batcher::Impl::submit(BatchJob job) {
  const std::size_t texts = job.ids.size();
  std::size_t tokens = 0;
  for (const auto& ids : job.ids) tokens += ids.size();
  const Lane lane = tokens <= kFirstLaneTokens ? Lane::kFirst : Lane::kBulk;
  const auto pending = std::make_shared<PendingJob>();
  const auto now = Clock::now();
  bool all_cached = false;
  {
    const std::scoped_lock lock(mutex);
    if (in_flight + texts > limits.texts || queue.tokens() + tokens > limits.queue_tokens) return false;
    in_flight += texts;
    pending->computed.resize(texts);
    pending->missing = texts;
    for (std::size_t i = 0; i < texts; ++i) {
      TextKey key{std::move(job.ids[i]), job.tokens};
      const std::vector<float>* values = cache.off() || key.tokens ? nullptr : cache.get(key);
      if (!cache.off() && !key.tokens) metrics.cache(values != nullptr);
      if (values != nullptr) {
        pending->computed[i].values = *values;
        --pending->missing;
      } else {
        queue.add(std::move(key), {pending, i, now}, lane);
      }
    }
    job.ids.clear();
    pending->job = std::move(job);
    all_cached = pending->missing == 0;  // without the lock, the batcher's thread may change it
    if (all_cached) in_flight -= texts;
    metrics.queue(queue.texts(), queue.tokens());
    if (!all_cached) wake.notify_one();
  }
  if (all_cached) finish(*pending);
  return true;
}

void Batcher::Impl::loop() {
  for (;;) {
    {
      std::unique_lock lock(mutex);
      wake.wait(lock, [this] { return stopping || queue.texts() != 0; });
      if (queue.texts() == 0) return;
    }
    run_one(Lane::kFirst, {});
    LaneShare share(Clock::now());
    run_one(Lane::kBulk, [this, &share] {
      const auto before = Clock::now();
      if (!share.first_may_go(before)) return;
      run_one(Lane::kFirst, {});
      share.first_went(Clock::now() - before);
    });
  }
}

void Batcher::Impl::run_one(Lane lane, const std::function<void()>& between_layers) {
  const auto began = Clock::now();
  const Batch batch = take(lane);
  if (batch.empty()) return;
  std::vector<Computed> computed = compute(batch, between_layers);
  deliver(batch, std::move(computed), began);
}

// The next texts of a lane for which somebody still waits.
Batch Batcher::Impl::take(Lane lane) {
  const std::size_t tokens =
      std::min(limits.batch_tokens, lane == Lane::kFirst ? kFirstBatchTokens : kBulkBatchTokens);
  std::vector<std::shared_ptr<PendingJob>> abandoned;
  Batch batch;
  {
    const std::scoped_lock lock(mutex);
    while (batch.empty() && !queue.empty(lane)) {
      for (const auto& text : queue.take(lane, {tokens, limits.batch_texts})) {
        std::vector<Waiter> here;
        for (Waiter& waiter : text->waiters) {
          const bool gone = waiter.job->job.cancellation->cancelled();
          if (gone && --waiter.job->missing == 0) abandoned.push_back(waiter.job);
          if (!gone) here.push_back(std::move(waiter));
        }
        text->waiters = std::move(here);
        text->waiters.empty() ? queue.forget(*text) : batch.push_back(text);
      }
    }
    for (const auto& job : abandoned) in_flight -= job->computed.size();
    metrics.queue(queue.texts(), queue.tokens());
  }
  for (const auto& job : abandoned) finish(*job);
  return batch;
}

// Without the lock: the model runs, and more may join the texts of the batch meanwhile.
std::vector<Computed> Batcher::Impl::compute(const Batch& batch,
                                             const std::function<void()>& between_layers) {
  std::vector<std::span<const std::int32_t>> ids;
  for (const auto& text : batch) ids.emplace_back(text->key.ids);
  EmbedOptions options;
  options.normalize = false;
  options.between_layers = between_layers;
  std::vector<Computed> computed(batch.size());
  const auto began = Clock::now();
  std::string error;
  if (batch.front()->key.tokens) {
    Result<TokenEmbeddings> found = embedder.embed_tokens_ids(ids, options);
    if (!found.ok()) error = found.error().message;
    for (std::size_t i = 0; found.ok() && i < batch.size(); ++i) {
      const auto row = [&](std::size_t text) {
        return found->values.begin() + static_cast<std::ptrdiff_t>(found->offsets[text] * found->width);
      };
      computed[i].values.assign(row(i), row(i + 1));
    }
  } else {
    Result<Embeddings> found = embedder.embed_ids(ids, options);
    if (!found.ok()) error = found.error().message;
    for (std::size_t i = 0; found.ok() && i < batch.size(); ++i) {
      const std::span<const float> vector = found->vector(i);
      computed[i].values.assign(vector.begin(), vector.end());
    }
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  metrics.batch(batch.size(), tokens_of(batch), seconds);
  if (!error.empty() && batch.size() > 1) {
    // One text's trouble is not its companions': each alone.
    for (std::size_t i = 0; i < batch.size(); ++i) computed[i] = std::move(compute({batch[i]}, {}).front());
    return computed;
  }
  healthy.store(error.empty());
  if (error.empty()) tokens_per_second.store(static_cast<double>(tokens_of(batch)) / std::max(seconds, 1e-6));
  for (Computed& one : computed) one.error = error;
  return computed;
}

void Batcher::Impl::deliver(const Batch& batch, std::vector<Computed> computed, Clock::time_point began) {
  std::vector<std::shared_ptr<PendingJob>> complete;
  {
    const std::scoped_lock lock(mutex);
    complete = settle(batch, computed, began);
    for (const auto& job : complete) in_flight -= job->computed.size();
  }
  for (const auto& job : complete) finish(*job);
}

// Gives every waiter its text, and returns the jobs that have all of theirs.
std::vector<std::shared_ptr<PendingJob>> Batcher::Impl::settle(const Batch& batch,
                                                               const std::vector<Computed>& computed,
                                                               Clock::time_point began) {
  const auto ended = Clock::now();
  std::vector<std::shared_ptr<PendingJob>> complete;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    queue.forget(*batch[i]);
    if (computed[i].error.empty() && !batch[i]->key.tokens) cache.put(batch[i]->key, computed[i].values);
    for (const Waiter& waiter : batch[i]->waiters) {
      Computed& place = waiter.job->computed[waiter.index];
      place = computed[i];
      // Who came while the text was computed has not waited in the queue.
      place.queue = std::max(began - waiter.since, Clock::duration::zero());
      place.inference = ended - std::max(began, waiter.since);
      if (--waiter.job->missing == 0) complete.push_back(waiter.job);
    }
  }
  return complete;
}

void Batcher::Impl::finish(PendingJob& pending) {
  if (pending.job.cancellation->cancelled()) {
    if (pending.job.dropped) pending.job.dropped();
  } else {
    pending.job.done(std::move(pending.computed));
  }
}

Batcher::Batcher(const Embedder& embedder, const BatchLimits& limits, Metrics& metrics)
    : impl_(std::make_unique<Impl>(embedder, limits, metrics)) {}

Batcher::~Batcher() {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_one();
  impl_->thread.join();
}

bool Batcher::submit(BatchJob job) { return impl_->submit(std::move(job)); }

std::chrono::seconds Batcher::retry_after() const {
  constexpr double kLongest = 60;  // clients should look again within a minute, whatever waits
  std::size_t tokens = 0;
  {
    const std::scoped_lock lock(impl_->mutex);
    tokens = impl_->queue.tokens();
  }
  const double seconds = static_cast<double>(tokens) / impl_->tokens_per_second.load();
  return std::chrono::seconds(static_cast<std::int64_t>(std::ceil(std::clamp(seconds, 1.0, kLongest))));
}

bool Batcher::healthy() const { return impl_->healthy.load(); }

}  // namespace gemvec::server
