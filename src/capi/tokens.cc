// The C API's tokenizer.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/try.h"
#include "capi/objects.h"

namespace gemvec::capi {

namespace {

TextInfo info_of_encoding(const Encoding& encoding) {
  return {.tokens = static_cast<std::uint32_t>(encoding.ids.size()),
          .total_tokens = static_cast<std::uint32_t>(encoding.total_tokens),
          .invalid_sequences = static_cast<std::uint32_t>(encoding.invalid_sequences),
          .truncated = encoding.truncated};
}

Result<TokenizeOptions> tokenize_options_of(const gemvec_tokenize_options& given) {
  TokenizeOptions options;
  options.max_tokens = given.max_tokens;
  options.add_bos_eos = given.no_bos_eos == 0;
  options.offsets = given.byte_ranges != 0;
  GEMVEC_TRY(truncate, truncate_of(given.truncate, "truncate"));
  options.truncate = truncate;
  GEMVEC_TRY(control_text, control_text_of(given.control_text, "control_text"));
  options.control_text = control_text;
  return options;
}

void add(Encoding encoding, bool ranges, gemvec_tokens& tokens) {
  tokens.texts.push_back(info_of(info_of_encoding(encoding)));
  tokens.longest = std::max(tokens.longest, encoding.ids.size());
  if (ranges) {
    auto& list = tokens.ranges.emplace_back();
    for (const ByteRange& range : encoding.offsets) list.push_back({range.begin, range.end});
    encoding.offsets.clear();
  }
  tokens.encodings.push_back(std::move(encoding));
}

Result<gemvec_tokens> tokenize(const Tokenizer& tokenizer, const gemvec_text* texts, std::size_t count,
                               const gemvec_tokenize_options& given) {
  GEMVEC_TRY(options, tokenize_options_of(given));
  GEMVEC_TRY(prompt, view(given.prompt, "prompt"));
  gemvec_tokens tokens;
  tokens.pad = tokenizer.pad_id();
  std::string joined;
  for (std::size_t i = 0; i < count; ++i) {
    GEMVEC_TRY(text, view(texts[i], fmt::format("texts[{}]", i).c_str()));
    joined.assign(prompt).append(text);
    auto encoding = tokenizer.encode(joined, options);
    if (!encoding.ok()) {
      return Error{encoding.error().code, fmt::format("Text {}: {}", i, encoding.error().message)};
    }
    add(std::move(encoding).value(), options.offsets, tokens);
  }
  return tokens;
}

Result<Tokenizer> open_tokenizer(const std::filesystem::path& path, const char* cache_dir) {
  if (path.filename() == "tokenizer.json") return Tokenizer::from_file(path);
  return load_tokenizer(path, cache_dir == nullptr ? default_cache_dir() : std::filesystem::path(cache_dir));
}

}  // namespace

}  // namespace gemvec::capi

using namespace gemvec::capi;  // NOLINT: what follows has C's names
using gemvec::Status;

gemvec_status gemvec_tokenizer_load(const char* model, const char* cache_dir, gemvec_tokenizer** out) {
  return guarded([&]() -> Status {
    if (out == nullptr) return null("out");
    if (model == nullptr || *model == '\0') return invalid("model: no path is given.");
    GEMVEC_TRY(loaded, open_tokenizer(model, cache_dir));
    auto tokenizer = std::make_unique<gemvec_tokenizer>();
    tokenizer->own = std::move(loaded);
    tokenizer->tokenizer = &*tokenizer->own;
    *out = tokenizer.release();
    return {};
  });
}

void gemvec_tokenizer_free(gemvec_tokenizer* tokenizer) {
  // A model's own is no object of its own.
  if (tokenizer != nullptr && tokenizer->own) delete tokenizer;
}

const gemvec_tokenizer* gemvec_model_tokenizer(const gemvec_model* model) {
  return model == nullptr ? nullptr : &model->tokenizer;
}

size_t gemvec_vocab_size(const gemvec_tokenizer* tokenizer) {
  return tokenizer == nullptr ? 0 : tokenizer->tokenizer->vocab_size();
}

int32_t gemvec_special_id(const gemvec_tokenizer* tokenizer, int32_t which) {
  if (tokenizer == nullptr) return -1;
  switch (which) {
    case GEMVEC_PAD:
      return tokenizer->tokenizer->pad_id();
    case GEMVEC_EOS:
      return tokenizer->tokenizer->eos_id();
    case GEMVEC_BOS:
      return tokenizer->tokenizer->bos_id();
    default:
      return -1;
  }
}

int gemvec_is_special(const gemvec_tokenizer* tokenizer, int32_t id) {
  return tokenizer != nullptr && tokenizer->tokenizer->is_special(id) ? 1 : 0;
}

gemvec_text gemvec_piece(const gemvec_tokenizer* tokenizer, int32_t id) {
  if (tokenizer == nullptr) return {nullptr, 0};
  const std::string_view piece = tokenizer->tokenizer->piece(id);
  return {piece.empty() ? nullptr : piece.data(), piece.size()};
}

gemvec_status gemvec_tokenize(const gemvec_tokenizer* tokenizer, const gemvec_text* texts, size_t count,
                              const gemvec_tokenize_options* options, gemvec_tokens** out) {
  return guarded([&]() -> Status {
    if (tokenizer == nullptr) return null("tokenizer");
    if (out == nullptr) return null("out");
    if (texts == nullptr && count != 0) return null("texts");
    GEMVEC_TRY(given, read_options(options, "gemvec_tokenize_options"));
    GEMVEC_TRY(tokens, tokenize(*tokenizer->tokenizer, texts, count, given));
    *out = std::make_unique<gemvec_tokens>(std::move(tokens)).release();
    return {};
  });
}

void gemvec_tokens_free(gemvec_tokens* tokens) { delete tokens; }

size_t gemvec_tokens_count(const gemvec_tokens* tokens) {
  return tokens == nullptr ? 0 : tokens->encodings.size();
}

size_t gemvec_tokens_longest(const gemvec_tokens* tokens) { return tokens == nullptr ? 0 : tokens->longest; }

gemvec_ids gemvec_tokens_ids(const gemvec_tokens* tokens, size_t index) {
  if (tokens == nullptr || index >= tokens->encodings.size()) return {nullptr, 0};
  const auto& ids = tokens->encodings[index].ids;
  return {ids.data(), ids.size()};
}

const gemvec_byte_range* gemvec_tokens_ranges(const gemvec_tokens* tokens, size_t index) {
  return tokens == nullptr || index >= tokens->ranges.size() ? nullptr : tokens->ranges[index].data();
}

const gemvec_text_info* gemvec_tokens_texts(const gemvec_tokens* tokens) {
  return tokens == nullptr || tokens->texts.empty() ? nullptr : tokens->texts.data();
}

gemvec_status gemvec_tokens_pad(const gemvec_tokens* tokens, size_t width, int left, int64_t* input_ids,
                                int64_t* attention_mask) {
  return guarded([&]() -> Status {
    if (tokens == nullptr) return null("tokens");
    if (width < tokens->longest) {
      return invalid(fmt::format("width {}: expected {} at least, the tokens of the longest text.", width,
                                 tokens->longest));
    }
    for (std::size_t row = 0; row < tokens->encodings.size(); ++row) {
      const auto& ids = tokens->encodings[row].ids;
      const std::size_t begin = left != 0 ? width - ids.size() : 0;
      if (input_ids != nullptr) {
        std::fill_n(input_ids + row * width, width, tokens->pad);
        std::copy(ids.begin(), ids.end(), input_ids + row * width + begin);
      }
      if (attention_mask != nullptr) {
        std::fill_n(attention_mask + row * width, width, 0);
        std::fill_n(attention_mask + row * width + begin, ids.size(), 1);
      }
    }
    return {};
  });
}

gemvec_status gemvec_decode(const gemvec_tokenizer* tokenizer, gemvec_ids ids, int skip_special, char** text,
                            size_t* size) {
  return guarded([&]() -> Status {
    if (tokenizer == nullptr) return null("tokenizer");
    if (text == nullptr) return null("text");
    if (ids.data == nullptr && ids.size != 0) return null("ids.data");
    const std::string decoded = tokenizer->tokenizer->decode({ids.data, ids.size}, skip_special != 0);
    *text = copy_for_caller(decoded);
    if (size != nullptr) *size = decoded.size();
    return {};
  });
}
