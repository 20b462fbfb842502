// The model card's example, embedded and compared: what the check at load and `verify` both ask.
#pragma once

#include <array>

#include "engine/reference.h"
#include "gemvec/embedder.h"

namespace gemvec::engine {

struct CardComparison {
  std::array<double, kCardDocuments.size()> similarities{};  // of the query to each document
  std::array<float, kCardDocuments.size()> expected{};       // the release's, of the same weight set
  double max_abs_diff = 0;
};

// Embeds texts, not ids: the tokenizer takes part. Errors: those of Embedder::embed.
Result<CardComparison> compare_with_card(const Embedder& embedder, DType dtype);

}  // namespace gemvec::engine
