// What is behind the handles of the C API.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "capi/status.h"
#include "capi/together.h"
#include "gemvec/embedder.h"
#include "gemvec/gemvec.h"

struct gemvec_tokenizer {
  std::optional<gemvec::Tokenizer> own;          // of gemvec_tokenizer_load()
  const gemvec::Tokenizer* tokenizer = nullptr;  // never null once it has been given out
};

struct gemvec_model {
  explicit gemvec_model(gemvec::Embedder loaded);

  gemvec::Embedder embedder;
  gemvec::ModelInfo info;  // as loaded: what gemvec_model_info's strings are in
  std::string path;
  gemvec_tokenizer tokenizer;
  std::unique_ptr<gemvec::capi::Together> together;
  pid_t process;  // that loaded it, and has its threads
};

struct gemvec_result {
  std::size_t count = 0, dim = 0;
  std::vector<float> vectors;        // [count, dim], or empty
  std::vector<float> tokens;         // [offsets.back(), width], or empty
  std::vector<std::size_t> offsets;  // [count + 1], or empty
  std::vector<gemvec_text_info> texts;
};

struct gemvec_tokens {
  std::vector<gemvec::Encoding> encodings;
  std::vector<std::vector<gemvec_byte_range>> ranges;  // [count], or empty
  std::vector<gemvec_text_info> texts;
  std::size_t longest = 0;
  std::int32_t pad = 0;
};

namespace gemvec::capi {

// Options of a call, in the engine's terms. `prefix` is what EmbedOptions::prefix looks at.
struct Call {
  std::uint32_t outputs = GEMVEC_OUTPUT_VECTORS;
  std::string prefix;
  EmbedOptions options;
};

// Errors: kInvalidArgument (model is NULL), kUnsupported (in a forked child).
Status usable(const gemvec_model* model);
// Into `call`, which must stay where it is as long as its options are used. Errors: kInvalidArgument.
Status read_call(const gemvec_model& model, const gemvec_embed_options* options, Call& call);
// The given lists of ids, with the outputs that were asked for. Errors: those of Embedder::embed_ids.
Result<gemvec_result> embed_lists(const gemvec_model& model,
                                  std::span<const std::span<const std::int32_t>> lists, const Call& call);

// The folder or file that a user means by `name`, as gemvec_find_model().
Result<std::filesystem::path> find_model(std::string_view name);

Result<Truncate> truncate_of(std::int32_t value, const char* name);
Result<ControlText> control_text_of(std::int32_t value, const char* name);
gemvec_text_info info_of(const TextInfo& info);

}  // namespace gemvec::capi
