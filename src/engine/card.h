// The model card's example, embedded and compared: what the check at load and `verify` both ask.
#pragma once

#include <array>

#include "engine/reference.h"
#include "gemvec/embedder.h"

namespace gemvec::engine {

struct CardComparison {
  std::array<double, kCardDocuments.size()> similarities{};  // of the query to each document
  std::array<float, kCardDocuments.size()> expected{};       // the release's, of `weights`
  DType weights = DType::kFp32;                              // or kBf16: rounded to it
  double max_abs_diff = 0;
};

// Embeds texts, not ids: the tokenizer takes part. Weights of fp32 may have been rounded to bf16 before they
// came into their file, as in the public ONNX release: they are compared with the nearer of the release's two
// sets, and all others with the rounded one. Errors: those of Embedder::embed.
Result<CardComparison> compare_with_card(const Embedder& embedder, DType dtype);

}  // namespace gemvec::engine
