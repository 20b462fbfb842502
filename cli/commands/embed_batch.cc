// A handful of records on their way through the embedder.
#include "cli/commands/embed_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace gemvec::cli {

namespace {

BatchVectors from(Embeddings embeddings) {
  BatchVectors vectors{embeddings.dim, std::move(embeddings.values), {}, std::move(embeddings.texts)};
  for (std::size_t row = 0; row <= embeddings.count; ++row) vectors.offsets.push_back(row);
  return vectors;
}

BatchVectors from(TokenEmbeddings embeddings) {
  return {embeddings.width, std::move(embeddings.values), std::move(embeddings.offsets),
          std::move(embeddings.texts)};
}

template <class T>
Result<BatchVectors> convert(Result<T> embeddings) {
  if (!embeddings.ok()) return std::move(embeddings).error();
  return from(std::move(embeddings).value());
}

}  // namespace

BatchEmbedder::BatchEmbedder(const Embedder& embedder, const PromptChoice& prompt, Settings settings)
    : embedder_(embedder), limits_(embedder.info()), prompt_(prompt), settings_(std::move(settings)) {}

Result<BatchVectors> BatchEmbedder::embed(std::span<const TextRecord> batch) const {
  return settings_.ids ? embed_ids(batch) : embed_texts(batch);
}

bool BatchEmbedder::has_prompt_already(const TextRecord& record) const {
  return !settings_.ids && !prompt_.prefix().empty() && record.text.starts_with(prompt_.prefix());
}

Result<BatchVectors> BatchEmbedder::embed_texts(std::span<const TextRecord> batch) const {
  EmbedOptions options = settings_.embed;
  options.prefix = prompt_.prefix();
  // Titles make the prompts differ within one call, and then they go in front of the texts here.
  const bool titled =
      std::any_of(batch.begin(), batch.end(), [](const TextRecord& r) { return r.title.has_value(); });
  std::vector<std::string> prompted;
  std::vector<std::string_view> texts;
  if (titled) {
    options.prefix = {};
    for (const TextRecord& record : batch) {
      prompted.push_back((record.title ? prompt_.prefix(*record.title) : prompt_.prefix()) + record.text);
    }
    texts.assign(prompted.begin(), prompted.end());
  } else {
    for (const TextRecord& record : batch) texts.push_back(record.text);
  }
  auto result = settings_.per_token ? convert(embedder_.embed_tokens(texts, options))
                                    : convert(embedder_.embed(texts, options));
  if (!result.ok() && result.error().code == ErrorCode::kTooLong) {
    return explain_too_long(batch, texts, options.prefix, result.error());
  }
  return result;
}

// The embedder names the text's place in the call, which means nothing to the user: find it again.
Error BatchEmbedder::explain_too_long(std::span<const TextRecord> batch,
                                      std::span<const std::string_view> texts, std::string_view prefix,
                                      Error error) const {
  TokenizeOptions options;
  options.max_tokens = 0;
  options.control_text = settings_.embed.control_text;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto encoding = embedder_.tokenizer().encode(std::string(prefix) + std::string(texts[i]), options);
    if (!encoding.ok() || encoding->total_tokens <= settings_.embed.max_tokens) continue;
    error.message =
        fmt::format("{}: the text has {} tokens with its prompt, the most is {} (--truncate error).",
                    batch[i].where, encoding->total_tokens, settings_.embed.max_tokens);
    break;
  }
  return error;
}

Status BatchEmbedder::check_ids(const TextRecord& record) const {
  if (record.ids.empty() || record.ids.size() > limits_.max_tokens) {
    return Error{ErrorCode::kBadFormat, fmt::format("{}: expected 1 to {} token ids, found {}.", record.where,
                                                    limits_.max_tokens, record.ids.size())};
  }
  for (const std::int32_t id : record.ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= limits_.vocab) {
      return Error{ErrorCode::kBadFormat, fmt::format("{}: token id {} is outside the table of {} tokens.",
                                                      record.where, id, limits_.vocab)};
    }
  }
  return {};
}

Result<BatchVectors> BatchEmbedder::embed_ids(std::span<const TextRecord> batch) const {
  std::vector<std::span<const std::int32_t>> ids;
  for (const TextRecord& record : batch) {
    if (auto status = check_ids(record); !status.ok()) return std::move(status).error();
    ids.emplace_back(record.ids);
  }
  return settings_.per_token ? convert(embedder_.embed_tokens_ids(ids, settings_.embed))
                             : convert(embedder_.embed_ids(ids, settings_.embed));
}

}  // namespace gemvec::cli
