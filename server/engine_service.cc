#include "server/engine_service.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <span>
#include <string_view>
#include <utility>

namespace gemvec::server {

namespace {

using Clock = std::chrono::steady_clock;

// A text of more characters than this a token cannot fit: no token of the vocabulary has so many. It is cut
// before it is looked at, so that a megabyte costs no more than what can be used of it.
constexpr std::size_t kCharactersPerToken = 250;

bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// Unicode scalars of UTF-8.
std::size_t characters_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return !continues_character(byte); }));
}

// At most `limit` bytes of the text, whole characters, from its beginning or its end.
std::string_view cut_bytes(std::string_view text, std::size_t limit, Truncate direction) {
  if (text.size() <= limit) return text;
  if (direction == Truncate::kLeft) {
    std::size_t begin = text.size() - limit;
    while (begin < text.size() && continues_character(text[begin])) ++begin;
    return text.substr(begin);
  }
  while (limit > 0 && continues_character(text[limit])) --limit;
  return text.substr(0, limit);
}

// The weights' name as 64 hexadecimal digits: what the packed weights are called says which they are.
std::string digest_of(const ModelInfo& info) {
  const std::string name =
      info.packed_file.empty() ? info.model.string() + info.dtype : info.packed_file.filename().string();
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(name.data()), name.size(), digest.data());
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

ModelCard make_card(const ModelInfo& info, const ServeOptions& options) {
  ModelCard card;
  card.id = options.model_id;
  card.name = options.served_model_name.empty() ? options.model_id : options.served_model_name;
  card.dtype = info.dtype;
  card.sha256 = digest_of(info);
  card.bytes = info.packed_bytes;
  card.created =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  card.width = info.width;
  card.max_tokens = info.max_tokens;
  return card;
}

Fault fault_of(ErrorCode code) {
  return code == ErrorCode::kTooLong || code == ErrorCode::kInvalidArgument ? Fault::kValidation
                                                                            : Fault::kTokenizer;
}

Error too_long(std::string_view what, std::size_t limit, std::size_t given) {
  return {ErrorCode::kTooLong,
          fmt::format("`inputs` must have less than {} {}. Given: {}", limit, what, given)};
}

}  // namespace

EngineService::EngineService(Embedder embedder, const ServeOptions& options,
                             std::function<void(std::function<void()>)> post)
    : embedder_(std::move(embedder)),
      options_(options),
      post_(std::move(post)),
      card_(make_card(embedder_.info(), options)),
      max_tokens_(std::min(card_.max_tokens, options.max_batch_tokens)),
      metrics_(card_.max_tokens) {
  BatchLimits limits;
  limits.texts = options.max_concurrent_requests;
  limits.queue_tokens = options.max_queue_tokens;
  limits.batch_tokens = options.max_batch_tokens;
  limits.batch_texts = options.max_batch_requests;
  limits.cached_vectors = options.cache_size;
  batcher_ = std::make_unique<Batcher>(embedder_, limits, metrics_);
}

EngineService::~EngineService() = default;

bool EngineService::healthy() const { return batcher_->healthy(); }

void EngineService::embed(EmbedWork work, std::function<void(EmbedAnswer)> done) {
  auto prepared = prepare(work);
  if (auto* error = std::get_if<ServiceError>(&prepared)) return done(std::move(*error));
  auto& [ids, items] = std::get<Prepared>(prepared);
  for (const EmbeddedItem& item : items) metrics_.embed(item.tokens);

  BatchJob job;
  job.ids = std::move(ids);
  job.tokens = work.tokens;
  job.cancellation = work.cancellation;
  // std::function copies what it holds; what a request holds is shared instead.
  struct Request {
    EmbedWork work;
    std::vector<EmbeddedItem> items;
    std::function<void(EmbedAnswer)> done;
  };
  const auto request = std::make_shared<Request>(Request{std::move(work), std::move(items), std::move(done)});
  job.done = [this, request](std::vector<Computed> computed) {
    const auto shared = std::make_shared<std::vector<Computed>>(std::move(computed));
    post_([this, request, shared] {
      request->done(finish(request->work, std::move(request->items), std::move(*shared)));
    });
  };
  job.dropped = [this, request] {
    post_([request] { request->done(ServiceError{Fault::kCancelled, "the client has gone", 0, {}}); });
  };
  if (!batcher_->submit(std::move(job))) {
    request->done(ServiceError{Fault::kOverloaded, "Model is overloaded", 0, batcher_->retry_after()});
  }
}

std::variant<EngineService::Prepared, ServiceError> EngineService::prepare(const EmbedWork& work) const {
  if (work.dimensions > card_.width) {
    return ServiceError{
        Fault::kValidation, "`dimensions` should be smaller than the maximum embedding dimension.", 0, {}};
  }
  Prepared prepared;
  for (const Input& input : work.inputs) {
    const std::size_t index = prepared.items.size();
    const bool empty = std::visit([](const auto& value) { return value.empty(); }, input);
    if (empty) return ServiceError{Fault::kEmpty, "`inputs` cannot be empty", index, {}};
    const auto began = Clock::now();
    EmbeddedItem item;
    Result<std::vector<std::int32_t>> ids = encode(work, input, item);
    if (!ids.ok()) {
      ServiceError error{fault_of(ids.error().code), ids.error().message, index, {}};
      if (ids.error().code == ErrorCode::kTooLong) {
        error.max_tokens = max_tokens_;
        error.tokens = item.total_tokens;
      }
      return error;
    }
    item.tokens = ids->size();
    item.tokenization = Clock::now() - began;
    prepared.ids.push_back(std::move(ids).value());
    prepared.items.push_back(item);
  }
  if (prepared.items.empty()) return ServiceError{Fault::kEmpty, "`inputs` cannot be empty", 0, {}};
  return prepared;
}

Result<std::vector<std::int32_t>> EngineService::encode(const EmbedWork& work, const Input& input,
                                                        EmbeddedItem& item) const {
  if (const auto* text = std::get_if<std::string>(&input)) {
    item.characters = characters_of(*text);
    return encode_text(work, *text, item);
  }
  const auto& ids = std::get<std::vector<std::int32_t>>(input);
  item.characters = ids.size();
  for (const std::int32_t id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= tokenizer().vocab_size()) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("token id {}: expected 0 to {}", id, tokenizer().vocab_size() - 1)};
    }
  }
  if (work.prefix.empty()) return take_ids(work, ids, item);
  return encode_text(work, tokenizer().decode(ids), item);
}

Result<std::vector<std::int32_t>> EngineService::encode_text(const EmbedWork& work, std::string_view text,
                                                             EmbeddedItem& item) const {
  const std::size_t limit = max_tokens_ * kCharactersPerToken;
  if (text.size() > limit) {  // bytes: at least as many as characters
    const std::size_t characters = characters_of(text);
    if (!work.truncate && characters > limit) return too_long("characters", limit, characters);
    text = cut_bytes(text, limit, work.direction);
  }
  TokenizeOptions options;
  options.max_tokens = max_tokens_;
  options.truncate = work.direction;
  Result<Encoding> encoding = tokenizer().encode(work.prefix + std::string(text), options);
  if (!encoding.ok()) return std::move(encoding).error();
  item.total_tokens = encoding->total_tokens;
  if (!work.truncate && encoding->truncated) return too_long("tokens", max_tokens_, encoding->total_tokens);
  return std::move(encoding->ids);
}

Result<std::vector<std::int32_t>> EngineService::take_ids(const EmbedWork& work,
                                                          const std::vector<std::int32_t>& ids,
                                                          EmbeddedItem& item) const {
  item.total_tokens = ids.size();
  if (ids.size() <= max_tokens_) return ids;
  if (!work.truncate) return too_long("tokens", max_tokens_, ids.size());
  const auto count = static_cast<std::ptrdiff_t>(max_tokens_);
  return work.direction == Truncate::kLeft ? std::vector<std::int32_t>(ids.end() - count, ids.end())
                                           : std::vector<std::int32_t>(ids.begin(), ids.begin() + count);
}

EmbedAnswer EngineService::finish(const EmbedWork& work, std::vector<EmbeddedItem> items,
                                  std::vector<Computed> computed) const {
  for (std::size_t i = 0; i < items.size(); ++i) {
    EmbeddedItem& item = items[i];
    std::string error = std::move(computed[i].error);
    item.queue = computed[i].queue;
    item.inference = computed[i].inference;
    if (error.empty() && work.tokens) {
      item.values = std::move(computed[i].values);
    } else if (error.empty()) {
      item.values.resize(work.dimensions == 0 ? card_.width : work.dimensions);
      const Status finished = finish_vector(computed[i].values, work.normalize, item.values);
      if (!finished.ok()) error = finished.error().message;
    }
    if (!error.empty()) return ServiceError{Fault::kBackend, std::move(error), i, {}};
    metrics_.embed_success(
        {item.tokenization + item.queue + item.inference, item.tokenization, item.queue, item.inference});
  }
  return items;
}

}  // namespace gemvec::server
