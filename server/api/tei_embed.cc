// /embed, /embed_all and /similarity.
#include <algorithm>
#include <boost/json/value.hpp>

#include "server/api/encode.h"
#include "server/api/tei.h"

namespace gemvec::server {

namespace {

HttpResponse encode_vectors(const std::vector<EmbeddedItem>& items) {
  std::string body = "[";
  for (const EmbeddedItem& item : items) {
    if (body.size() > 1) body += ',';
    append_floats(body, item.values);
  }
  body += ']';
  return json_response(std::move(body));
}

HttpResponse encode_tokens(const std::vector<EmbeddedItem>& items, std::size_t width) {
  std::string body = "[";
  for (const EmbeddedItem& item : items) {
    if (body.size() > 1) body += ',';
    append_rows(body, item.values, width);
  }
  body += ']';
  return json_response(std::move(body));
}

// Cosines of the first with each of the others. The vectors have unit length.
HttpResponse encode_cosines(const std::vector<EmbeddedItem>& items) {
  std::vector<float> cosines;
  for (std::size_t i = 1; i < items.size(); ++i) {
    const auto& a = items.front().values;
    const auto& b = items[i].values;
    double sum = 0;
    for (std::size_t k = 0; k < std::min(a.size(), b.size()); ++k) sum += static_cast<double>(a[k]) * b[k];
    cosines.push_back(static_cast<float>(sum));
  }
  std::string body;
  append_floats(body, cosines);
  return json_response(std::move(body));
}

struct Similarity {
  std::vector<std::string> texts;  // the source, then the sentences
  Truncation truncation;
  PromptChoice prompt;
};

Similarity read_similarity(Fields& fields, const Service& service, std::string_view route) {
  Similarity out;
  Fields inputs(fields, "inputs", false);
  out.texts.emplace_back(inputs.string("source_sentence"));
  for (std::string& sentence : inputs.strings("sentences")) out.texts.push_back(std::move(sentence));
  Fields parameters(fields, "parameters", true);
  out.truncation = read_truncation(parameters, service);
  out.prompt = read_prompt(parameters);
  if (fields.ok()) {
    for (const Fields* part : {&fields, &inputs, &parameters}) part->count_ignored(service.metrics(), route);
  }
  return out;
}

}  // namespace

std::optional<ApiError> check_dimensions(const Service& service, std::optional<std::uint64_t> dimensions) {
  if (!dimensions) return std::nullopt;
  if (*dimensions == 0) return invalid_input("`dimensions` should be positive");
  if (*dimensions > service.card().width)
    return invalid_input("`dimensions` should be smaller than the maximum embedding dimension.");
  return std::nullopt;
}

TeiEmbed read_tei_embed(Fields& fields, const Service& service) {
  TeiEmbed embed;
  embed.list = require_inputs(fields, "inputs");
  embed.truncation = read_truncation(fields, service);
  embed.prompt = read_prompt(fields);
  embed.normalize = fields.boolean("normalize", true);
  embed.dimensions = fields.optional_size("dimensions");
  return embed;
}

std::variant<EmbedWork, ApiError> tei_work(const Call& call, TeiEmbed embed) {
  const std::size_t limit = call.service->options().max_client_batch_size;
  if (embed.list.inputs.size() > limit) return too_many(embed.list.inputs.size(), limit);
  auto prefix = find_prefix(*call.service, embed.prompt);
  if (auto* error = std::get_if<ApiError>(&prefix)) return std::move(*error);
  if (auto error = check_dimensions(*call.service, embed.dimensions)) return std::move(*error);
  EmbedWork work = call.work(std::get<std::string>(std::move(prefix)));
  work.inputs = std::move(embed.list.inputs);
  work.truncate = embed.truncation.truncate;
  work.direction = embed.truncation.direction;
  work.normalize = embed.normalize;
  work.dimensions = static_cast<std::size_t>(embed.dimensions.value_or(0));
  return work;
}

// The work that a request asks for. Nothing: it has been answered with what is wrong.
static std::optional<EmbedWork> accept(Call& call, const Fields& fields, TeiEmbed embed,
                                       std::string_view route) {
  if (!fields.ok()) {
    call.respond(tei_rejection(fields.rejection()));
    return std::nullopt;
  }
  fields.count_ignored(call.service->metrics(), route);
  call.begin(embed.list.batch);
  call.timing = true;
  auto work = tei_work(call, std::move(embed));
  if (const auto* error = std::get_if<ApiError>(&work)) {
    call.fail(*error);
    return std::nullopt;
  }
  return std::get<EmbedWork>(std::move(work));
}

void tei_embed(Call call, const JsonBody& body, std::string_view route) {
  Fields fields(body, "struct EmbedRequest");
  TeiEmbed embed = read_tei_embed(fields, *call.service);
  auto work = accept(call, fields, std::move(embed), route);
  if (work) embed_one(std::move(call), std::move(*work), encode_vectors);
}

void tei_embed_all(Call call, const JsonBody& body, std::string_view route) {
  Fields fields(body, "struct EmbedAllRequest");
  TeiEmbed embed;
  embed.list = require_inputs(fields, "inputs");
  embed.truncation = read_truncation(fields, *call.service);
  embed.prompt = read_prompt(fields);
  auto work = accept(call, fields, std::move(embed), route);
  if (!work) return;
  work->tokens = true;
  const std::size_t width = call.service->card().width;
  embed_one(std::move(call), std::move(*work),
            [width](const std::vector<EmbeddedItem>& items) { return encode_tokens(items, width); });
}

void tei_similarity(Call call, const JsonBody& body, std::string_view route) {
  Fields fields(body, "struct SimilarityRequest");
  Similarity similarity = read_similarity(fields, *call.service, route);
  if (!fields.ok()) return call.respond(tei_rejection(fields.rejection()));
  call.begin(true);
  call.timing = true;
  if (similarity.texts.size() == 1) return call.fail(empty_input("`inputs.sentences` cannot be empty"));
  TeiEmbed embed;
  embed.list.inputs.assign(similarity.texts.begin(), similarity.texts.end());
  embed.truncation = similarity.truncation;
  embed.prompt = similarity.prompt;
  auto work = tei_work(call, std::move(embed));
  if (const auto* error = std::get_if<ApiError>(&work)) return call.fail(*error);
  embed_one(std::move(call), std::get<EmbedWork>(std::move(work)), encode_cosines);
}

}  // namespace gemvec::server
