// Embedder: EmbeddingGemma-300M from a model folder to unit vectors.
//
//   auto embedder = gemvec::Embedder::load({.model = "models/embeddinggemma-300m"});
//   auto prefix = embedder->prompts().prefix("retrieval-query");
//   std::vector<std::string_view> texts = {"Which planet is known as the Red Planet?"};
//   auto result = embedder->embed(texts, {.prefix = *prefix});   // result->vector(0): 768 floats
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemvec/prompts.h"
#include "gemvec/result.h"
#include "gemvec/tokenizer.h"

namespace gemvec {

// Numbers in the weights.
enum class DType {
  kFp32,  // as in the safetensors release
  kBf16,  // each tensor rounded to bf16: what the ONNX release carries
  kQ8,    // 8 bits, where that is harmless: docs/quantization.md
  kQ4,    // 4 bits, where that is harmless: at most 200 MB with the embedding table
  // 4 bits, one scale a row, in the table, the feed-forward and the dense layers, 8 in attention: as the
  // model card's quantisation-aware checkpoints. Weights that were not trained for it lose much.
  kMixed,
};

// Numbers in the arithmetic of the linear layers. Everything else is fp32 always.
enum class Compute {
  kNative,  // as the weights: bf16 x bf16 -> fp32 for kBf16, int8 x int8 -> int32 for 8 bits and fewer
  kFp32,    // fp32 x fp32, also over bf16 weights: the ONNX release exactly, in half its memory. Needs
            // kFp32 or kBf16
};

struct LoadProgress {
  std::string_view stage{};  // "packing weights", ...
  std::uint64_t done = 0;    // bytes
  std::uint64_t total = 0;
};

struct LoadOptions {
  // A folder in the sentence-transformers layout (config.json, model.safetensors, tokenizer.json,
  // 2_Dense/model.safetensors, 3_Dense/model.safetensors) or in that of the ONNX release (config.json,
  // tokenizer.json, onnx/), or one .onnx, .gguf or .gemvec file.
  std::filesystem::path model{};
  // Of an ONNX folder also the file: model.onnx for kFp32, model_quantized.onnx for kQ8, model_q4.onnx for
  // kQ4, and model.onnx if there is no such file. Empty: kQ8, or what a .gemvec file holds.
  std::optional<DType> dtype{};
  // fp32 arithmetic over exactly the numbers that the file means, quantised or not: dtype only chooses the
  // file.
  bool exact = false;
  // Take a GGUF or ONNX file without the dense layers, whose vectors are not the release's.
  bool allow_headless = false;
  Compute compute = Compute::kNative;
  unsigned threads = 0;  // 0 = one per core this process may run on
  // Bytes of working memory (ModelInfo::workspace_bytes) at most; 0 = no limit. Less makes micro-batches
  // smaller; a text that does not fit is an error of the call that brings it. Weights and results are not
  // counted.
  std::uint64_t max_memory = 0;
  // Where packed weights are kept between processes; empty = default_cache_dir(). A folder that
  // cannot be written is not an error: the weights are then packed into memory.
  std::filesystem::path cache_dir{};
  bool use_cache = true;
  // Embed the card's example after loading and compare (tens of milliseconds, then remembered in
  // the cache). A mismatch with the release is reported in ModelInfo; vectors that are not finite
  // or zero are an error.
  bool self_check = true;
  std::function<void(const LoadProgress&)> progress{};  // may be empty; called from the loading thread
};

// The lengths that the model was trained to be cut to.
inline constexpr std::array<unsigned, 4> kTrainedDims = {768, 512, 256, 128};

struct EmbedOptions {
  std::string_view prefix{};  // prompt put before every text as it is; see PromptSet
  unsigned dim = 768;         // one of kTrainedDims
  bool normalize = true;      // unit length (after cutting to dim); otherwise the head's raw output
  Truncate truncate = Truncate::kRight;
  std::size_t max_tokens = kMaxTokens;  // 2..2048, BOS and EOS included
  ControlText control_text = ControlText::kParse;
  // Polled between micro-batches; true ends the call with kCancelled. May be empty.
  std::function<bool()> cancelled{};
  // Called after each micro-batch, on the calling thread, with the number of texts done and in all. Must not
  // throw. May be empty.
  std::function<void(std::size_t done, std::size_t total)> progress{};
  // Of embed_tokens() and embed_tokens_ids(): also the vectors, which cost little more.
  bool vectors = false;
  // Called between the layers of each micro-batch, on the calling thread, for what cannot wait until the call
  // ends: what it embeds with the same Embedder is done at once, in working memory of its own (its own
  // between_layers is not called). Must not throw. May be empty.
  std::function<void()> between_layers{};
};

struct TextInfo {
  std::uint32_t tokens = 0;             // tokens the model saw, BOS, EOS and prompt included
  std::uint32_t total_tokens = 0;       // before truncation
  std::uint32_t invalid_sequences = 0;  // invalid UTF-8 sequences replaced by U+FFFD
  bool truncated = false;
};

struct Embeddings {
  std::size_t count = 0;
  std::size_t dim = 0;
  std::vector<float> values;    // [count, dim], row i belongs to text i
  std::vector<TextInfo> texts;  // [count]
  [[nodiscard]] std::span<const float> vector(std::size_t i) const {
    return std::span(values).subspan(i * dim, dim);
  }
};

struct TokenEmbeddings {
  std::size_t width = 0;             // 768
  std::vector<std::size_t> offsets;  // [count + 1], in tokens: text i has rows offsets[i]..offsets[i+1]
  std::vector<float> values;         // [sum of tokens, width], last_hidden_state, final norm applied
  std::vector<TextInfo> texts;       // [count]
  // With EmbedOptions::vectors: of each text what embed() gives, bit for bit. Otherwise empty.
  Embeddings vectors;
};

enum class WeightsCheck {
  kNotRun,
  kRelease,    // the card's example gives the release's vectors
  kDifferent,  // finite vectors, but not the release's: a fine-tune, or damaged weights
  kUnpromised  // finite vectors of weights that their file has in codes, or of DType::kMixed: nobody can say
               // how near to the release's they should be
};

struct ModelInfo {
  std::filesystem::path model{};
  std::string source_format, source_numbers;  // "safetensors", "fp32"; "GGUF", "Q8_0"
  std::string dtype, compute;                 // "q8", "int8"; "bf16", "fp32"
  std::string isa;                            // "avx512bf16", ...
  unsigned threads = 0;
  std::size_t layers = 0, width = 0, heads = 0, head_dim = 0, ffn = 0, vocab = 0;
  std::size_t max_tokens = 0;
  std::uint64_t source_bytes = 0;     // weight files of the model folder
  std::uint64_t packed_bytes = 0;     // packed weights
  std::uint64_t workspace_bytes = 0;  // private memory reserved for activations so far
  std::filesystem::path packed_file;  // empty: the packed weights are in private memory
  bool packed_from_cache = false;     // false: this load packed them
  WeightsCheck check = WeightsCheck::kNotRun;
  double check_max_abs_diff = 0;  // of the card's similarities, if the check ran
  // What they were compared with: "fp32", the release's weights, or "bf16", the same rounded; "" if it did
  // not run. Of fp32 weights the nearer: those of the public ONNX release were rounded before.
  std::string check_weights;
  std::vector<std::string> notes;  // repairs made while loading, one sentence each
};

// Thread-safe: const methods may be called from many threads at once; they share one thread pool
// and take turns on it. The same text gives the same bits, whatever else is in the call, in
// whatever order and with any number of threads, for a given dtype, compute and ISA.
class Embedder {
 public:
  // Errors: kNotFound, kIo, kBadFormat (names file, tensor or field, and what was expected),
  // kUnsupported (GEMVEC_ISA names something this machine has not), kInvalidArgument.
  static Result<Embedder> load(const LoadOptions& options);

  Embedder(Embedder&&) noexcept;
  Embedder& operator=(Embedder&&) noexcept;
  ~Embedder();

  // One vector per text, in the order given. Memory for activations is bounded by the token budget
  // of a micro-batch and not by the number of texts.
  // Errors: kInvalidArgument (dim, max_tokens, max_memory too small for a text), kTooLong (names the index of
  // the text), kCancelled.
  [[nodiscard]] Result<Embeddings> embed(std::span<const std::string_view> texts,
                                         const EmbedOptions& options = {}) const;

  // The same from token ids, which are used exactly as given (BOS and EOS are the caller's).
  // prefix, truncate and control_text are ignored. Errors also: kInvalidArgument for an empty list,
  // more than 2048 ids, or an id outside the table.
  [[nodiscard]] Result<Embeddings> embed_ids(std::span<const std::span<const std::int32_t>> ids,
                                             const EmbedOptions& options = {}) const;

  // Per-token vectors: last_hidden_state with the final norm applied, [tokens, 768] per text.
  // dim and normalize are of TokenEmbeddings::vectors only.
  [[nodiscard]] Result<TokenEmbeddings> embed_tokens(std::span<const std::string_view> texts,
                                                     const EmbedOptions& options = {}) const;
  [[nodiscard]] Result<TokenEmbeddings> embed_tokens_ids(std::span<const std::span<const std::int32_t>> ids,
                                                         const EmbedOptions& options = {}) const;

  [[nodiscard]] const Tokenizer& tokenizer() const;
  [[nodiscard]] const PromptSet& prompts() const;
  [[nodiscard]] ModelInfo info() const;

  struct Impl;  // opaque

 private:
  friend double measure_peak_gflops(const Embedder& embedder);
  friend Result<struct VerifyReport> verify(const Embedder& embedder);
  explicit Embedder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// How embed() finishes a vector: `raw` [768], as embed() gives it with normalize = false, is cut to
// out.size() numbers (any number from 1 to 768, of which the model was trained for EmbedOptions::dim) and, if
// asked, to unit length. The same bits as embed()'s own. REQUIRES: out.size() <= raw.size(). Errors:
// kBadFormat (zero, or not finite).
Status finish_vector(std::span<const float> raw, bool normalize, std::span<float> out);

// The tokenizer of a model, a folder or a file as LoadOptions::model, without its weights. Its tables are
// kept in `cache_dir` between processes; empty: they are not. Errors: those of Tokenizer::from_file and
// Embedder::load.
Result<Tokenizer> load_tokenizer(const std::filesystem::path& model, const std::filesystem::path& cache_dir);

// GEMVEC_CACHE, else XDG_CACHE_HOME/gemvec, else HOME/.cache/gemvec; empty if none is set.
std::filesystem::path default_cache_dir();

// "fp32", "bf16", "q8", "q4", "mixed" <-> DType. Errors: kInvalidArgument, listing the names.
Result<DType> parse_dtype(std::string_view name);
Result<Compute> parse_compute(std::string_view name);  // "native", "fp32"
std::string_view name_of(DType dtype);
std::string_view name_of(Compute compute);

}  // namespace gemvec
