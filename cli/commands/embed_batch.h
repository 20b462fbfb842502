// A handful of records on their way through the embedder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "cli/commands/text_options.h"
#include "cli/io/text_reader.h"
#include "gemvec/embedder.h"

namespace gemvec::cli {

// Vectors of a batch, in its order, one or several (per-token output) a text.
struct BatchVectors {
  std::size_t width = 0;
  std::vector<float> values;         // [rows, width]
  std::vector<std::size_t> offsets;  // [texts + 1], in rows
  std::vector<TextInfo> texts;       // [texts]
  [[nodiscard]] std::span<const float> of(std::size_t text) const {
    return std::span(values).subspan(offsets[text] * width, (offsets[text + 1] - offsets[text]) * width);
  }
};

class BatchEmbedder {
 public:
  struct Settings {
    EmbedOptions embed;  // prefix is set for each batch
    bool ids = false;
    bool per_token = false;
  };

  // Both references must outlive the object.
  BatchEmbedder(const Embedder& embedder, const PromptChoice& prompt, Settings settings);

  // Errors: those of the embedder, with the record's file and line instead of its place in the batch.
  [[nodiscard]] Result<BatchVectors> embed(std::span<const TextRecord> batch) const;

  // Whether the text begins with the prompt that will be put before it.
  [[nodiscard]] bool has_prompt_already(const TextRecord& record) const;

 private:
  [[nodiscard]] Result<BatchVectors> embed_texts(std::span<const TextRecord> batch) const;
  [[nodiscard]] Result<BatchVectors> embed_ids(std::span<const TextRecord> batch) const;
  [[nodiscard]] Error explain_too_long(std::span<const TextRecord> batch,
                                       std::span<const std::string_view> texts, std::string_view prefix,
                                       Error error) const;
  [[nodiscard]] Status check_ids(const TextRecord& record) const;

  const Embedder& embedder_;
  ModelInfo limits_;  // of the model: how many ids a text may have, and how large they may be
  const PromptChoice& prompt_;
  Settings settings_;
};

}  // namespace gemvec::cli
