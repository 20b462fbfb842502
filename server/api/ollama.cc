#include "server/api/ollama.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>
#include <cmath>
#include <span>

#include "server/api/apis.h"
#include "server/api/call.h"
#include "server/api/encode.h"
#include "server/api/fields.h"
#include "server/api/model_name.h"
#include "server/api/prompt_choice.h"

namespace gemvec::server {

namespace {

// Reads the list of texts. False if anything in it is no string: Ollama takes no ids.
bool read_texts(const boost::json::value* input, std::vector<std::string_view>& texts) {
  if (input == nullptr || input->is_null()) return true;
  if (input->is_string()) {
    if (!input->get_string().empty()) texts.emplace_back(input->get_string());
    return true;
  }
  if (!input->is_array()) return false;
  for (const boost::json::value& element : input->get_array()) {
    if (!element.is_string()) return false;
    texts.emplace_back(element.get_string());
  }
  return true;
}

// Ollama embeds an empty text of a list; the service takes none, but does take the tokens that it would have.
Input input_of(std::string_view text, const Tokenizer& tokenizer) {
  if (!text.empty()) return std::string(text);
  return std::vector<std::int32_t>{tokenizer.bos_id(), tokenizer.eos_id()};
}

HttpResponse error_body(const ApiError& error) { return ollama_error(error); }

HttpResponse too_long_or(const ApiError& error) {
  if (error.status == 422) return ollama_error(400, "the input length exceeds the context length");
  return ollama_error(error);
}

bool is_finite(const std::vector<EmbeddedItem>& items) {
  return std::all_of(items.begin(), items.end(), [](const EmbeddedItem& item) {
    return std::all_of(item.values.begin(), item.values.end(), [](float v) { return std::isfinite(v); });
  });
}

HttpResponse encode_embed(const std::vector<EmbeddedItem>& items, std::string_view model,
                          std::chrono::nanoseconds total) {
  if (!is_finite(items)) return ollama_error(400, "embedding contains NaN or Inf values");
  std::string body = R"({"model":)";
  append_string(body, model);
  body += R"(,"embeddings":[)";
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i != 0) body += ',';
    append_floats(body, items[i].values);
  }
  body += fmt::format(R"(],"total_duration":{})", total.count());
  // Both are left out when they are zero; the model is loaded before the first request, so its time always
  // is.
  if (const std::size_t tokens = sum_of_tokens(items); tokens != 0)
    body += fmt::format(R"(,"prompt_eval_count":{})", tokens);
  body += '}';
  return json_response(std::move(body));
}

// Ollama's legacy route does not normalise, but the graph of this model ends in a vector of unit length
// there, so the unit vector is what its clients have always got.
HttpResponse encode_legacy(const std::vector<EmbeddedItem>& items) {
  if (!is_finite(items)) return ollama_error(400, "embedding contains NaN or Inf values");
  std::string body = R"({"embedding":)";
  append_floats(body,
                items.empty() ? std::span<const float>() : std::span<const float>(items.front().values));
  body += '}';
  return json_response(std::move(body));
}

std::chrono::nanoseconds since(const HttpRequest& request) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() -
                                                              request.received);
}

void embed(Service& service, std::shared_ptr<const HttpRequest> request, Respond respond) {
  const auto read = read_ollama(*request);
  if (const auto* refusal = std::get_if<HttpResponse>(&read)) return respond(*refusal);
  Fields fields(*std::get<std::unique_ptr<JsonBody>>(read), "EmbedRequest");
  const std::string model(fields.optional_string("model").value_or(""));
  std::vector<std::string_view> texts;
  const bool are_texts = read_texts(fields.find("input"), texts);
  const bool truncate = fields.optional_boolean("truncate").value_or(true);
  const std::int64_t dimensions = fields.optional_integer("dimensions").value_or(0);
  const PromptChoice prompt = read_prompt(fields);
  fields.accept({"options", "keep_alive"});  // of the context and of loading: both are fixed here
  if (!fields.ok()) return respond(ollama_error(400, fields.problem()));
  if (!are_texts) return respond(ollama_error(400, "invalid input type"));
  if (auto refusal = refuse_model(service, model)) return respond(std::move(*refusal));
  fields.count_ignored(service.metrics(), "/api/embed");
  Call call{&service, std::move(request), std::move(respond), error_body};
  call.begin(true);
  const auto prefix = find_prefix(service, prompt);
  if (const auto* error = std::get_if<ApiError>(&prefix)) return call.fail(*error);
  EmbedWork work = call.work(std::get<std::string>(prefix));
  work.truncate = truncate;
  // More than there are is no error in Ollama, and means all.
  if (dimensions > 0 && static_cast<std::size_t>(dimensions) < service.card().width)
    work.dimensions = static_cast<std::size_t>(dimensions);
  for (const std::string_view text : texts) work.inputs.push_back(input_of(text, service.tokenizer()));
  if (!truncate) call.error_body = too_long_or;
  embed_in_pieces(call, std::move(work),
                  [model, request = call.request](const std::vector<EmbeddedItem>& items) {
                    return encode_embed(items, model, since(*request));
                  });
}

void embeddings(Service& service, std::shared_ptr<const HttpRequest> request, Respond respond) {
  const auto read = read_ollama(*request);
  if (const auto* refusal = std::get_if<HttpResponse>(&read)) return respond(*refusal);
  Fields fields(*std::get<std::unique_ptr<JsonBody>>(read), "EmbeddingRequest");
  const std::string model(fields.optional_string("model").value_or(""));
  const std::string_view text = fields.optional_string("prompt").value_or("");
  const PromptChoice prompt = read_prompt(fields);
  fields.accept({"options", "keep_alive"});
  if (!fields.ok()) return respond(ollama_error(400, fields.problem()));
  if (model.empty()) return respond(ollama_error(400, "model is required"));
  if (auto refusal = refuse_model(service, model)) return respond(std::move(*refusal));
  fields.count_ignored(service.metrics(), "/api/embeddings");
  Call call{&service, std::move(request), std::move(respond), error_body};
  call.begin(false);
  const auto prefix = find_prefix(service, prompt);
  if (const auto* error = std::get_if<ApiError>(&prefix)) return call.fail(*error);
  EmbedWork work = call.work(std::get<std::string>(prefix));
  work.truncate = true;
  if (!text.empty()) work.inputs.emplace_back(std::string(text));
  embed_in_pieces(std::move(call), std::move(work), encode_legacy);
}

}  // namespace

std::variant<std::unique_ptr<JsonBody>, HttpResponse> read_ollama(const HttpRequest& request) {
  if (request.body.empty()) return ollama_error(400, "missing request body");
  auto read = JsonBody::read_any(request);
  if (const auto* rejection = std::get_if<Rejection>(&read)) return ollama_error(400, rejection->message);
  return std::get<std::unique_ptr<JsonBody>>(std::move(read));
}

std::optional<HttpResponse> refuse_model(const Service& service, std::string_view name) {
  // What cannot be a name at all has a message of its own.
  if (name.empty()) return ollama_error(404, "model '' not found");
  if (is_model_name(service.card(), name)) return std::nullopt;
  return ollama_error(404, fmt::format("model \"{}\" not found, try pulling it first", name));
}

void add_ollama(Router& router, Service& service) {
  router.add("POST", "/api/embed", Access::kKey,
             [&service](std::shared_ptr<const HttpRequest> request, Respond respond) {
               embed(service, std::move(request), std::move(respond));
             });
  router.add("POST", "/api/embeddings", Access::kKey,
             [&service](std::shared_ptr<const HttpRequest> request, Respond respond) {
               embeddings(service, std::move(request), std::move(respond));
             });
  add_ollama_models(router, service);
}

}  // namespace gemvec::server
