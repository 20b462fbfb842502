#include "source/gguf_tokenizer.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/try.h"
#include "source/formats.h"
#include "source/gguf_fields.h"
#include "tokenizer/internals.h"
#include "tokenizer/vocabulary.h"

namespace gemvec::source {

namespace {

// What decides how a text is tokenised, beside the lists.
Status check_flags(const GgufFields& fields) {
  GEMVEC_TRY(model, fields.text("model"));
  if (model == "gpt2")
    return fields.expected("model", "\"llama\", SentencePiece's (the file was made without tokenizer.model)",
                           ErrorCode::kUnsupported);
  if (model != "llama")
    return fields.expected("model", "\"llama\", SentencePiece's", ErrorCode::kUnsupported);
  if (fields.find("pre") != nullptr) {
    GEMVEC_TRY(pre, fields.text("pre"));
    if (pre != "default") return fields.expected("pre", "\"default\"", ErrorCode::kUnsupported);
  }
  GEMVEC_CHECK_OK(fields.absent_or("add_bos_token", true));
  GEMVEC_CHECK_OK(fields.absent_or("add_eos_token", true));
  GEMVEC_CHECK_OK(fields.absent_or("add_space_prefix", false));
  GEMVEC_CHECK_OK(fields.absent_or("remove_extra_whitespaces", false));
  if (const auto* map = fields.find("precompiled_charsmap"); map != nullptr && map->count != 0)
    return fields.expected("precompiled_charsmap", "no normalisation", ErrorCode::kUnsupported);
  return {};
}

Status check_ids(const GgufFields& fields, const tokenizer::OwnedTables& tables) {
  const std::pair<std::string_view, std::int32_t> ids[] = {
      {"bos_token_id", tables.bos}, {"eos_token_id", tables.eos}, {"padding_token_id", tables.pad}};
  for (const auto& [key, id] : ids) GEMVEC_CHECK_OK(fields.absent_or(key, static_cast<std::uint64_t>(id)));
  return {};
}

}  // namespace

Result<Tokenizer> read_gguf_tokenizer(const formats::Gguf& gguf, std::string_view file) {
  const GgufFields fields(gguf, file, "tokenizer.ggml.");
  GEMVEC_CHECK_OK(check_flags(fields));
  const auto* tokens = fields.find("tokens");
  const auto* scores = fields.find("scores");
  const auto* types = fields.find("token_type");
  const auto pieces = tokens == nullptr ? std::nullopt : tokens->texts();
  if (!pieces) return fields.expected("tokens", "an array of strings");
  const auto numbers = scores == nullptr ? std::nullopt : scores->floats();
  if (!numbers) return fields.expected("scores", "an array of fp32 numbers");
  const auto kinds = types == nullptr ? std::nullopt : types->whole_numbers();
  if (!kinds) return fields.expected("token_type", "an array of whole numbers");
  GEMVEC_TRY(tables, tokenizer::build_tables({*pieces, *numbers, *kinds}, file));
  GEMVEC_CHECK_OK(check_ids(fields, tables));
  const auto memory = std::make_shared<const tokenizer::OwnedTables>(std::move(tables));
  return tokenizer::Internals::make(memory->view(), memory);
}

Result<Tokenizer> read_tokenizer(const std::filesystem::path& path) {
  if (path.extension() != ".gguf") return Tokenizer::from_file(path);
  GEMVEC_TRY(gguf, formats::Gguf::open(path));
  return read_gguf_tokenizer(gguf, path.string());
}

}  // namespace gemvec::source
