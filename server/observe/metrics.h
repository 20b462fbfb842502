// Counters and histograms under the names of text-embeddings-inference, and gemvec's own. Thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace gemvec::server {

class Metrics {
 public:
  // max_input_tokens bounds the buckets of te_request_input_length.
  explicit Metrics(std::size_t max_input_tokens);
  ~Metrics();

  // One HTTP request that asks for vectors or similarities; `batch`: it has a list of inputs.
  void request(bool batch);
  void request_success(bool batch);
  // err is one of: batch_size, validation, overloaded, tokenization, inference, model_type, dropped,
  // missing_values.
  void request_failure(std::string_view err);

  struct Durations {
    std::chrono::nanoseconds total{0}, tokenization{0}, queue{0}, inference{0};
  };
  void request_durations(const Durations& durations);                 // per HTTP request
  void embed(std::size_t tokens);                                     // per input
  void embed_success(const Durations& durations);                     // per input
  void batch(std::size_t texts, std::size_t tokens, double seconds);  // per forward pass
  void queue(std::size_t texts, std::size_t tokens);                  // what waits now
  void cache(bool hit);

  // Per answer of any route. `pattern` is the router's, or "other".
  void http(std::string_view method, std::string_view pattern, unsigned status);
  void connections(std::size_t open);
  // A field that a request has and this server does not know: "/v1/embeddings", "late_chunking". Names are
  // the client's, so only the first 64 different ones are told apart.
  void ignored_field(std::string_view route, std::string_view field);

  // The Prometheus text format.
  [[nodiscard]] std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gemvec::server
