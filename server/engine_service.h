// Service on an Embedder.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/batch/batcher.h"
#include "server/service.h"

namespace gemvec::server {

class EngineService final : public Service {
 public:
  // `post` runs a task on a worker thread.
  EngineService(Embedder embedder, const ServeOptions& options,
                std::function<void(std::function<void()>)> post);
  // Waits for what is being computed.
  ~EngineService() override;

  // Ends the batcher: what it has and nobody has left is computed first. embed() must not be called any more.
  void stop() { batcher_.reset(); }

  void embed(EmbedWork work, std::function<void(EmbedAnswer)> done) override;
  [[nodiscard]] const Tokenizer& tokenizer() const override { return embedder_.tokenizer(); }
  [[nodiscard]] const PromptSet& prompts() const override { return embedder_.prompts(); }
  [[nodiscard]] const ModelCard& card() const override { return card_; }
  [[nodiscard]] const ServeOptions& options() const override { return options_; }
  [[nodiscard]] Metrics& metrics() const override { return metrics_; }
  [[nodiscard]] bool healthy() const override;

 private:
  // Ids of every input, and what is known of it before the model has seen it.
  struct Prepared {
    std::vector<std::vector<std::int32_t>> ids;
    std::vector<EmbeddedItem> items;
  };
  [[nodiscard]] std::variant<Prepared, ServiceError> prepare(const EmbedWork& work) const;
  // Fills item; returns the ids.
  Result<std::vector<std::int32_t>> encode(const EmbedWork& work, const Input& input,
                                           EmbeddedItem& item) const;
  Result<std::vector<std::int32_t>> encode_text(const EmbedWork& work, std::string_view text,
                                                EmbeddedItem& item) const;
  Result<std::vector<std::int32_t>> take_ids(const EmbedWork& work, const std::vector<std::int32_t>& ids,
                                             EmbeddedItem& item) const;
  EmbedAnswer finish(const EmbedWork& work, std::vector<EmbeddedItem> items,
                     std::vector<Computed> computed) const;

  Embedder embedder_;
  ServeOptions options_;
  std::function<void(std::function<void()>)> post_;
  ModelCard card_;
  std::size_t max_tokens_;  // of an input
  mutable Metrics metrics_;
  std::unique_ptr<Batcher> batcher_;
};

}  // namespace gemvec::server
