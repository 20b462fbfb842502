// A model in one file, ready to be mapped, and what its vectors are worth.
//
//   gemvec::quantize_model({.model = "models/embeddinggemma-300m", .output = "q4.gemvec", .dtype =
//   gemvec::DType::kQ4}); auto embedder = gemvec::Embedder::load({.model = "q4.gemvec"});   // needs nothing
//   else
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemvec/embedder.h"
#include "gemvec/result.h"

namespace gemvec {

// GGUF's types are convert_model()'s (gemvec/convert.h), and compare_accuracy() says the same of their files.
struct QuantizeOptions {
  std::filesystem::path model{};   // as LoadOptions::model, but no .gemvec file
  std::filesystem::path output{};  // NAME.gemvec
  DType dtype = DType::kQ8;        // not kFp32
  // Texts that the inputs of quantised layers are measured over, prompts included, beside the random ones
  // that are built in. The first 4096 tokens count. Ignored by kBf16 and kMixed, which regard no inputs.
  std::span<const std::string> calibration{};
  bool overwrite = false;  // an output that exists is otherwise an error
  bool allow_headless = false;
  unsigned threads = 0;                                 // 0 = one per core this process may run on
  std::function<void(const LoadProgress&)> progress{};  // may be empty; called from the calling thread
};

struct QuantizeResult {
  std::filesystem::path file{};
  std::uint64_t bytes = 0;
};

// Writes one file with packed weights, embedding table, tokenizer and prompts: whole or not at all. Loaded
// from it, a model gives the same bits as from `model` with this dtype on the machine that wrote it (without
// calibration texts); every machine with AVX2 writes the same bytes.
// Errors: those of Embedder::load, and kInvalidArgument (dtype, output), kIo.
Result<QuantizeResult> quantize_model(const QuantizeOptions& options);

// One text under two sets of weights.
struct TextAccuracy {
  std::size_t text = 0;    // its index
  std::size_t tokens = 0;  // that the model saw
  double cosine = 0;       // of its two vectors
};

// Texts of up to so many tokens, and of more than the row before.
struct LengthAccuracy {
  std::size_t max_tokens = 0;
  std::size_t texts = 0;
  double mean_cosine = 1, lowest_cosine = 1;
};

struct AccuracyReport {
  std::vector<LengthAccuracy> lengths;  // up to 64, 256, 512 and 2048 tokens; rows without texts are left out
  std::vector<TextAccuracy> worst;      // lowest cosine first, ten at most
  // Of each text's ten nearest among the others by the exact vectors, the share that is also among its ten
  // nearest by the other's. Of fewer texts than 12 nothing is said: 0.
  double top10_overlap = 0;
};

// Vectors of `other` against those of `exact`, both of the same texts. Errors: those of Embedder::embed.
Result<AccuracyReport> compare_accuracy(const Embedder& exact, const Embedder& other,
                                        std::span<const std::string_view> texts,
                                        const EmbedOptions& options = {});

}  // namespace gemvec
