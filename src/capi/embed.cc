// The C API's vectors, of texts and of lists of ids.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/try.h"
#include "capi/objects.h"

namespace gemvec::capi {

Result<Truncate> truncate_of(std::int32_t value, const char* name) {
  switch (value) {
    case GEMVEC_TRUNCATE_RIGHT:
      return Truncate::kRight;
    case GEMVEC_TRUNCATE_LEFT:
      return Truncate::kLeft;
    case GEMVEC_TRUNCATE_ERROR:
      return Truncate::kError;
    default:
      return invalid(fmt::format("{} {}: expected one of gemvec_truncate.", name, value));
  }
}

Result<ControlText> control_text_of(std::int32_t value, const char* name) {
  if (value == GEMVEC_CONTROL_PARSE) return ControlText::kParse;
  if (value == GEMVEC_CONTROL_TEXT) return ControlText::kText;
  return invalid(fmt::format("{} {}: expected one of gemvec_control_text.", name, value));
}

gemvec_text_info info_of(const TextInfo& info) {
  return {info.tokens, info.total_tokens, info.invalid_sequences, info.truncated ? 1U : 0U};
}

namespace {

// What stands before every text.
Result<std::string> prefix_of(const gemvec_model& model, const gemvec_embed_options& options) {
  GEMVEC_TRY(task, view(options.task, "task"));
  GEMVEC_TRY(title, view(options.title, "title"));
  GEMVEC_TRY(prompt, view(options.prompt, "prompt"));
  const bool has_title = options.title.data != nullptr;
  if (options.task.data != nullptr) {
    if (options.prompt.data != nullptr) return invalid("prompt: expected a task or a prompt, not both.");
    return model.embedder.prompts().prefix(task, has_title ? std::optional(title) : std::nullopt);
  }
  if (has_title) return invalid("title: expected with task retrieval-document alone.");
  return std::string(prompt);
}

void set_callbacks(const gemvec_embed_options& given, EmbedOptions& options) {
  if (given.cancelled != nullptr) {
    options.cancelled = [cancelled = given.cancelled, user = given.user] { return cancelled(user) != 0; };
  }
  if (given.progress != nullptr) {
    options.progress = [progress = given.progress, user = given.user](std::size_t done, std::size_t total) {
      progress(user, done, total);
    };
  }
}

void add_vectors(Embeddings vectors, gemvec_result& result) {
  result.dim = vectors.dim;
  result.vectors = std::move(vectors.values);
  result.texts.clear();
  for (const TextInfo& text : vectors.texts) result.texts.push_back(info_of(text));
}

Result<std::vector<Encoding>> encode_all(const Tokenizer& tokenizer, std::span<const std::string_view> texts,
                                         const EmbedOptions& options) {
  TokenizeOptions tokenize;
  tokenize.max_tokens = options.max_tokens;
  tokenize.truncate = options.truncate;
  tokenize.control_text = options.control_text;
  std::vector<Encoding> encodings;
  std::string joined;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    joined.assign(options.prefix).append(texts[i]);
    auto encoding = tokenizer.encode(joined, tokenize);
    if (!encoding.ok()) {
      return Error{encoding.error().code, fmt::format("Text {}: {}", i, encoding.error().message)};
    }
    encodings.push_back(std::move(encoding).value());
  }
  return encodings;
}

// Few and short enough to be embedded together with what other threads bring. A token has a byte at least,
// and BOS and EOS are two.
bool is_short(std::span<const std::string_view> texts, const EmbedOptions& options) {
  std::size_t most = 0;
  for (const std::string_view text : texts) {
    most += std::min(options.prefix.size() + text.size() + 2, options.max_tokens);
    if (most > Together::kMaxTokens) return false;
  }
  return true;
}

Result<Embeddings> embed_short(const gemvec_model& model, std::span<const std::string_view> texts,
                               const EmbedOptions& options) {
  GEMVEC_TRY(encodings, encode_all(model.embedder.tokenizer(), texts, options));
  std::vector<std::span<const std::int32_t>> lists;
  for (const Encoding& encoding : encodings) lists.emplace_back(encoding.ids);
  GEMVEC_TRY(vectors, model.together->embed_ids(lists, options));
  for (std::size_t i = 0; i < encodings.size(); ++i) {
    TextInfo& text = vectors.texts[i];
    text.total_tokens = static_cast<std::uint32_t>(encodings[i].total_tokens);
    text.invalid_sequences = static_cast<std::uint32_t>(encodings[i].invalid_sequences);
    text.truncated = encodings[i].truncated;
  }
  return vectors;
}

// A call that lets the short ones of other threads go first.
struct LongCall {
  LongCall(const gemvec_model& model, const Call& call) : options(call.options), guard(*model.together) {
    options.between_layers = [&together = *model.together] { together.serve(); };
  }
  EmbedOptions options;
  Together::Long guard;
};

gemvec_result from_tokens(TokenEmbeddings tokens, bool vectors) {
  gemvec_result result;
  result.count = tokens.texts.size();
  result.tokens = std::move(tokens.values);
  result.offsets = std::move(tokens.offsets);
  for (const TextInfo& text : tokens.texts) result.texts.push_back(info_of(text));
  if (vectors) add_vectors(std::move(tokens.vectors), result);
  return result;
}

gemvec_result from_vectors(Embeddings vectors) {
  gemvec_result result;
  result.count = vectors.count;
  add_vectors(std::move(vectors), result);
  return result;
}

Result<gemvec_result> embed_texts(const gemvec_model& model, std::span<const std::string_view> texts,
                                  const Call& call) {
  if ((call.outputs & GEMVEC_OUTPUT_TOKENS) != 0) {
    const LongCall embed(model, call);
    GEMVEC_TRY(tokens, model.embedder.embed_tokens(texts, embed.options));
    return from_tokens(std::move(tokens), call.options.vectors);
  }
  const bool valid_limit = call.options.max_tokens >= 2 && call.options.max_tokens <= model.info.max_tokens;
  if (valid_limit && is_short(texts, call.options)) {
    GEMVEC_TRY(vectors, embed_short(model, texts, call.options));
    return from_vectors(std::move(vectors));
  }
  const LongCall embed(model, call);
  GEMVEC_TRY(vectors, model.embedder.embed(texts, embed.options));
  return from_vectors(std::move(vectors));
}

}  // namespace

Status read_call(const gemvec_model& model, const gemvec_embed_options* options, Call& call) {
  GEMVEC_TRY(given, read_options(options, "gemvec_embed_options"));
  constexpr std::uint32_t kBoth = GEMVEC_OUTPUT_VECTORS | GEMVEC_OUTPUT_TOKENS;
  if ((given.outputs & ~kBoth) != 0) {
    return invalid(fmt::format("outputs {}: expected GEMVEC_OUTPUT_VECTORS, GEMVEC_OUTPUT_TOKENS or both.",
                               given.outputs));
  }
  if (given.outputs != 0) call.outputs = given.outputs;
  GEMVEC_TRY(prefix, prefix_of(model, given));
  call.prefix = std::move(prefix);
  EmbedOptions& out = call.options;
  out.prefix = call.prefix;
  if (given.dim != 0) out.dim = given.dim;
  out.normalize = given.raw == 0;
  GEMVEC_TRY(truncate, truncate_of(given.truncate, "truncate"));
  out.truncate = truncate;
  GEMVEC_TRY(control_text, control_text_of(given.control_text, "control_text"));
  out.control_text = control_text;
  out.max_tokens = given.max_tokens != 0 ? given.max_tokens : model.info.max_tokens;
  out.vectors = call.outputs == kBoth;
  set_callbacks(given, out);
  return {};
}

Result<gemvec_result> embed_lists(const gemvec_model& model,
                                  std::span<const std::span<const std::int32_t>> lists, const Call& call) {
  if ((call.outputs & GEMVEC_OUTPUT_TOKENS) != 0) {
    const LongCall embed(model, call);
    GEMVEC_TRY(tokens, model.embedder.embed_tokens_ids(lists, embed.options));
    return from_tokens(std::move(tokens), call.options.vectors);
  }
  std::size_t tokens = 0;
  for (const auto& list : lists) tokens += list.size();
  if (tokens <= Together::kMaxTokens) {
    GEMVEC_TRY(vectors, model.together->embed_ids(lists, call.options));
    return from_vectors(std::move(vectors));
  }
  const LongCall embed(model, call);
  GEMVEC_TRY(vectors, model.embedder.embed_ids(lists, embed.options));
  return from_vectors(std::move(vectors));
}

}  // namespace gemvec::capi

using namespace gemvec::capi;  // NOLINT: what follows has C's names
using gemvec::Status;

gemvec_status gemvec_embed(const gemvec_model* model, const gemvec_text* texts, size_t count,
                           const gemvec_embed_options* options, gemvec_result** out) {
  return guarded([&]() -> Status {
    GEMVEC_CHECK_OK(usable(model));
    if (out == nullptr) return null("out");
    if (texts == nullptr && count != 0) return null("texts");
    Call call;
    GEMVEC_CHECK_OK(read_call(*model, options, call));
    std::vector<std::string_view> views;
    views.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      GEMVEC_TRY(text, view(texts[i], fmt::format("texts[{}]", i).c_str()));
      views.push_back(text);
    }
    GEMVEC_TRY(result, embed_texts(*model, views, call));
    *out = std::make_unique<gemvec_result>(std::move(result)).release();
    return {};
  });
}

gemvec_status gemvec_embed_ids(const gemvec_model* model, const gemvec_ids* lists, size_t count,
                               const gemvec_embed_options* options, gemvec_result** out) {
  return guarded([&]() -> Status {
    GEMVEC_CHECK_OK(usable(model));
    if (out == nullptr) return null("out");
    if (lists == nullptr && count != 0) return null("lists");
    Call call;
    GEMVEC_CHECK_OK(read_call(*model, options, call));
    std::vector<std::span<const std::int32_t>> spans;
    spans.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      if (lists[i].data == nullptr && lists[i].size != 0)
        return null(fmt::format("lists[{}].data", i).c_str());
      spans.emplace_back(lists[i].data, lists[i].size);
    }
    GEMVEC_TRY(result, embed_lists(*model, spans, call));
    *out = std::make_unique<gemvec_result>(std::move(result)).release();
    return {};
  });
}

void gemvec_result_free(gemvec_result* result) { delete result; }

size_t gemvec_result_count(const gemvec_result* result) { return result == nullptr ? 0 : result->count; }

size_t gemvec_result_dim(const gemvec_result* result) { return result == nullptr ? 0 : result->dim; }

float* gemvec_result_vectors(gemvec_result* result) {
  return result == nullptr || result->vectors.empty() ? nullptr : result->vectors.data();
}

float* gemvec_result_tokens(gemvec_result* result) {
  return result == nullptr || result->tokens.empty() ? nullptr : result->tokens.data();
}

size_t gemvec_result_token_rows(const gemvec_result* result) {
  return result == nullptr || result->offsets.empty() ? 0 : result->offsets.back();
}

const size_t* gemvec_result_offsets(const gemvec_result* result) {
  return result == nullptr || result->offsets.empty() ? nullptr : result->offsets.data();
}

const gemvec_text_info* gemvec_result_texts(const gemvec_result* result) {
  return result == nullptr || result->texts.empty() ? nullptr : result->texts.data();
}
