// Short calls of many threads, embedded together.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "gemvec/embedder.h"
#include "gemvec/result.h"

namespace gemvec::capi {

// Calls that come while the model is busy wait, and what has come when it is free is one micro-batch. Nobody
// waits for company: a call that finds the model free is embedded at once. One of the waiting threads does
// the work of all, so there is no thread of its own.
class Together {
 public:
  // Tokens of a micro-batch, and of a call at most: a longer one fills the model's threads by itself, and
  // company would only delay it. As many as the engine takes at once.
  static constexpr std::size_t kMaxTokens = 2048;

  explicit Together(const Embedder& embedder) : embedder_(embedder) {}

  // As Embedder::embed_ids(), with the same bits. `lists` have kMaxTokens ids together at most. `cancelled`
  // is asked before the work begins; between_layers is not called.
  [[nodiscard]] Result<Embeddings> embed_ids(std::span<const std::span<const std::int32_t>> lists,
                                             const EmbedOptions& options);

  // A long call, as long as this lives. Its thread must call serve() between layers.
  class Long {
   public:
    explicit Long(Together& together);
    ~Long();
    Long(const Long&) = delete;
    Long& operator=(const Long&) = delete;

   private:
    Together& together_;
  };
  // Embeds what waits, up to a micro-batch of it.
  void serve();

 private:
  struct Waiting {
    std::span<const std::span<const std::int32_t>> lists;
    std::size_t tokens = 0;
    Waiting* next = nullptr;  // the call that came after this one
    bool done = false;
    bool computed = false;     // otherwise the micro-batch failed, perhaps by another's fault
    std::vector<float> raw{};  // [lists, width], as the head gives them
    std::vector<TextInfo> texts{};
  };
  void wait_for(Waiting& own);
  void work(std::unique_lock<std::mutex>& lock);
  Waiting* take();  // what the next micro-batch is made of; holds mutex_
  void run(Waiting* calls) noexcept;
  void compute(Waiting* calls) const;

  const Embedder& embedder_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Waiting* first_ = nullptr;  // of those that no thread works for yet
  Waiting* last_ = nullptr;
  bool busy_ = false;     // a thread works
  std::size_t long_ = 0;  // calls that serve
};

}  // namespace gemvec::capi
