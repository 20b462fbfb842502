// Texts to vectors for many clients at once: what every API of the server stands on.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "gemvec/embedder.h"
#include "server/http/message.h"
#include "server/observe/metrics.h"
#include "server/options.h"

namespace gemvec::server {

enum class Fault {
  kEmpty,       // no inputs, or an empty one
  kValidation,  // too many, too long, dimensions
  kTokenizer,
  kBackend,     // the model could not do it
  kOverloaded,  // no room in the queue
  kCancelled,   // the client has gone; nobody reads the answer
};

// Messages are those of text-embeddings-inference where it has the case, without its "Input validation error:
// ".
struct ServiceError {
  Fault fault = Fault::kBackend;
  std::string message;
  std::size_t item = 0;                 // index of the first input that has it
  std::chrono::seconds retry_after{0};  // kOverloaded: when there is likely to be room
  // Of a text that is too long: how many tokens it may have, and has; 0 where they have not been counted.
  std::size_t max_tokens = 0, tokens = 0;
};

// A text, or token ids, which are used as they are (BOS and EOS are the client's).
using Input = std::variant<std::string, std::vector<std::int32_t>>;

struct EmbedWork {
  std::vector<Input> inputs;
  // Put before every text as it is. Ids are decoded, prefixed and encoded again if it is not empty.
  std::string prefix;
  bool truncate = true;  // false: an input that is too long is an error
  Truncate direction = Truncate::kRight;
  std::size_t dimensions = 0;  // 1..768; 0: all. Checked by Service
  bool normalize = true;       // unit length, after cutting to dimensions
  bool tokens = false;         // rows of every token (final norm applied) instead of one vector
  std::shared_ptr<Cancellation> cancellation;  // never null
};

struct EmbeddedItem {
  std::vector<float> values;     // [dimensions], or [tokens, 768] if tokens were asked for
  std::size_t tokens = 0;        // the model saw, prompt, BOS and EOS included
  std::size_t total_tokens = 0;  // before truncation
  std::size_t characters = 0;    // Unicode scalars of the input without the prompt; ids: how many
  std::chrono::nanoseconds tokenization{0}, queue{0}, inference{0};
};

using EmbedAnswer = std::variant<std::vector<EmbeddedItem>, ServiceError>;

// What the server says about its model. Fixed after start.
struct ModelCard {
  std::string id, name;      // --model-id; --served-model-name
  std::string dtype;         // "q8"
  std::string sha256;        // 64 hexadecimal digits that name the weights; for Ollama's `digest`
  std::uint64_t bytes = 0;   // of the weights as packed
  std::int64_t created = 0;  // Unix seconds: when the server started
  std::size_t width = 768, max_tokens = 2048;
};

// Thread-safe.
class Service {
 public:
  virtual ~Service() = default;

  // Tokenises on the calling thread, queues, and returns; `done` is called once, on a worker thread (this one
  // or another), with the answers in the order of the inputs or with the first error in that order. Counts
  // the metrics of texts and their failures; those of requests are the API's.
  virtual void embed(EmbedWork work, std::function<void(EmbedAnswer)> done) = 0;

  [[nodiscard]] virtual const Tokenizer& tokenizer() const = 0;
  [[nodiscard]] virtual const PromptSet& prompts() const = 0;
  [[nodiscard]] virtual const ModelCard& card() const = 0;
  [[nodiscard]] virtual const ServeOptions& options() const = 0;
  [[nodiscard]] virtual Metrics& metrics() const = 0;
  // false once the model has failed and not succeeded since: /health answers 503.
  [[nodiscard]] virtual bool healthy() const = 0;
};

}  // namespace gemvec::server
