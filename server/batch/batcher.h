// Requests of many clients to micro-batches for one model, on one thread.
//
// There is no window of waiting: whatever has come while the model was busy is the next micro-batch. Short
// requests have a lane of their own, which goes first, also between the layers of a micro-batch of the other
// lane that has begun. Neither lane starves: a micro-batch of one at most stands before one of the other, and
// between layers the first lane gets about as much time as the micro-batch that it interrupts (share.h).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gemvec/embedder.h"
#include "server/http/message.h"
#include "server/observe/metrics.h"

namespace gemvec::server {

struct BatchLimits {
  std::size_t texts = 512;               // in flight: waiting or computed
  std::size_t queue_tokens = 1'048'576;  // waiting
  std::size_t batch_tokens = 16'384;     // of a micro-batch
  std::size_t batch_texts = 0;           // of a micro-batch; 0: no limit
  std::size_t cached_vectors = 0;        // kept for texts that come again; 0: none
};

// What became of one text.
struct Computed {
  std::vector<float>
      values;         // [768] the head's output, not normalised; or [tokens, 768] if tokens were asked for
  std::string error;  // not empty: there are no values
  std::chrono::nanoseconds queue{0}, inference{0};
};

// Texts of one request.
struct BatchJob {
  std::vector<std::vector<std::int32_t>> ids;  // [texts], each of 1 to 2048 ids below the vocabulary's size
  bool tokens = false;                         // rows of every token instead of one vector
  std::shared_ptr<Cancellation> cancellation;  // never null
  // Once, with one entry per text, from the batcher's thread or, if all came from the cache, from submit().
  // Must be quick: the model waits. Not called if the client has gone.
  std::function<void(std::vector<Computed>)> done;
  std::function<void()> dropped;  // instead of done, when the client has gone
};

class Batcher {
 public:
  // `embedder` and `metrics` must outlive it.
  Batcher(const Embedder& embedder, const BatchLimits& limits, Metrics& metrics);
  // Computes what is waiting, then ends.
  ~Batcher();

  // False: there is no room for the job as a whole, and nothing was taken.
  [[nodiscard]] bool submit(BatchJob job);

  // When there is likely to be room again, by what waits and how fast the last micro-batches were.
  [[nodiscard]] std::chrono::seconds retry_after() const;
  // Whether the last micro-batch gave vectors.
  [[nodiscard]] bool healthy() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gemvec::server
