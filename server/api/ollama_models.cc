// What Ollama's clients ask about models: there is one, it is loaded, and it stays.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

#include "gemvec/diagnostics.h"
#include "server/api/encode.h"
#include "server/api/fields.h"
#include "server/api/ollama.h"

namespace gemvec::server {

namespace {

// The model of this project: EmbeddingGemma-300M, in the words of Ollama's library.
constexpr std::string_view kFamily = "gemma3";
constexpr std::string_view kParameters = "307.58M";
constexpr std::int64_t kParameterCount = 307'581'696;
// A loaded model says when it will be unloaded. This one never is; a century is far enough for any client.
constexpr std::int64_t kNever = 100LL * 365 * 24 * 3600;

std::string rfc3339(std::int64_t unix_seconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(unix_seconds)));
}

// Clients compare names with a tag: a name without one has ":latest".
std::string tagged(const std::string& name) {
  return name.find(':') == std::string::npos ? name + ":latest" : name;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

std::string details(const ModelCard& card) {
  return fmt::format(R"({{"parent_model":"","format":"gguf","family":"{0}","families":["{0}"],)"
                     R"("parameter_size":"{1}","quantization_level":{2}}})",
                     kFamily, kParameters, json_string(upper(card.dtype)));
}

std::string names(const ModelCard& card) {
  const std::string name = json_string(tagged(card.name));
  return fmt::format(R"("name":{0},"model":{0})", name);
}

HttpResponse tags(const ModelCard& card) {
  return json_response(
      fmt::format(R"({{"models":[{{{},"modified_at":"{}","size":{},"digest":{},"details":{}}}]}})",
                  names(card), rfc3339(card.created), card.bytes, json_string(card.sha256), details(card)));
}

HttpResponse running(const ModelCard& card) {
  return json_response(
      fmt::format(R"({{"models":[{{{},"size":{},"digest":{},"details":{},"expires_at":"{}","size_vram":0,)"
                  R"("context_length":{}}}]}})",
                  names(card), card.bytes, json_string(card.sha256), details(card),
                  rfc3339(card.created + kNever), card.max_tokens));
}

HttpResponse show(const ModelCard& card) {
  return json_response(fmt::format(
      R"({{"modelfile":{},"parameters":"","template":"{{{{ .Prompt }}}}","details":{},"model_info":{{)"
      R"("general.architecture":"{}","general.parameter_count":{},"gemma3.embedding_length":{},)"
      R"("gemma3.context_length":{}}},"capabilities":["embedding"],"modified_at":"{}"}})",
      json_string("FROM " + card.name), details(card), kFamily, kParameterCount, card.width, card.max_tokens,
      rfc3339(card.created)));
}

// The fields "model", or as older clients write it "name"; of a request about a model.
struct ModelRequest {
  std::string model;
  bool stream = true;
};

std::variant<ModelRequest, HttpResponse> read_model_request(Service& service, const HttpRequest& request,
                                                            std::string_view route) {
  const auto read = read_ollama(request);
  if (const auto* refusal = std::get_if<HttpResponse>(&read)) return *refusal;
  Fields fields(*std::get<std::unique_ptr<JsonBody>>(read), "PullRequest");
  const auto model = fields.optional_string("model"), name = fields.optional_string("name");
  const bool stream = fields.optional_boolean("stream").value_or(true);
  fields.accept({"insecure", "verbose", "system", "template", "options", "username", "password"});
  if (!fields.ok()) return ollama_error(400, fields.problem());
  fields.count_ignored(service.metrics(), route);
  return ModelRequest{std::string(model ? *model : name.value_or("")), stream};
}

HttpResponse answer_show(Service& service, const HttpRequest& request) {
  const auto read = read_model_request(service, request, "/api/show");
  if (const auto* refusal = std::get_if<HttpResponse>(&read)) return *refusal;
  const std::string& model = std::get<ModelRequest>(read).model;
  if (model.empty()) return ollama_error(400, "model is required");
  // This route does not offer to pull.
  if (refuse_model(service, model)) return ollama_error(404, fmt::format("model '{}' not found", model));
  return show(service.card());
}

// The served model is there already; no other is ever fetched.
HttpResponse answer_pull(Service& service, const HttpRequest& request) {
  const auto read = read_model_request(service, request, "/api/pull");
  if (const auto* refusal = std::get_if<HttpResponse>(&read)) return *refusal;
  const auto& [model, stream] = std::get<ModelRequest>(read);
  if (refuse_model(service, model)) {
    const std::string_view message = "pull model manifest: file does not exist";
    if (!stream) return ollama_error(500, message);
    // A stream has begun with 200 before it fails.
    HttpResponse response = ollama_error(200, message);
    response.content_type = "application/x-ndjson";
    response.body += '\n';
    return response;
  }
  if (!stream) return json_response(R"({"status":"success"})");
  return {200, "application/x-ndjson", "{\"status\":\"pulling manifest\"}\n{\"status\":\"success\"}\n", {}};
}

}  // namespace

void add_ollama_models(Router& router, Service& service) {
  using Request = std::shared_ptr<const HttpRequest>;
  router.add("GET", "/api/version", Access::kKey, [](const Request&, const Respond& respond) {
    respond(json_response(fmt::format(R"({{"version":{}}})", json_string(version()))));
  });
  router.add("GET", "/api/tags", Access::kKey,
             [&service](const Request&, const Respond& respond) { respond(tags(service.card())); });
  router.add("GET", "/api/ps", Access::kKey,
             [&service](const Request&, const Respond& respond) { respond(running(service.card())); });
  router.add("POST", "/api/show", Access::kKey, [&service](const Request& request, const Respond& respond) {
    respond(answer_show(service, *request));
  });
  router.add("POST", "/api/pull", Access::kKey, [&service](const Request& request, const Respond& respond) {
    respond(answer_pull(service, *request));
  });
}

}  // namespace gemvec::server
