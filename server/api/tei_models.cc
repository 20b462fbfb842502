// What text-embeddings-inference says for other kinds of models than this one, and about this one:
// /embed_sparse, /predict, /rerank, /info.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <thread>

#include "gemvec/diagnostics.h"
#include "server/api/encode.h"
#include "server/api/tei.h"

namespace gemvec::server {

namespace {

ApiError wrong_model(std::string_view message) {
  return {424, "Backend", "Backend error: " + std::string(message), "model_type", {}};
}

// A text, one or two texts in a list, or a list of such lists.
bool is_predict_input(const boost::json::value& value) {
  if (value.is_string()) return true;
  if (!value.is_array()) return false;
  const auto& list = value.get_array();
  const auto is_string = [](const boost::json::value& element) { return element.is_string(); };
  const auto is_texts = [&](const boost::json::value& element) {
    if (!element.is_array()) return false;
    const auto& texts = element.get_array();
    return (texts.size() == 1 || texts.size() == 2) && std::all_of(texts.begin(), texts.end(), is_string);
  };
  return is_texts(value) || std::all_of(list.begin(), list.end(), is_texts);
}

// The threads that an unset option means: server/options.h says how many.
unsigned worker_threads(const ServeOptions& options) {
  if (options.http.workers != 0) return options.http.workers;
  const unsigned cores = std::max(2U, std::thread::hardware_concurrency());
  return std::min(64U, cores - 1);
}

}  // namespace

void tei_embed_sparse(Call call, const JsonBody& body, std::string_view route) {
  Fields fields(body, "struct EmbedSparseRequest");
  const InputList list = require_inputs(fields, "inputs");
  read_truncation(fields, *call.service);
  read_prompt(fields);
  if (!fields.ok()) return call.respond(tei_rejection(fields.rejection()));
  fields.count_ignored(call.service->metrics(), route);
  call.begin(list.batch);
  call.fail(wrong_model("Model is not an embedding model with SPLADE pooling"));
}

void tei_predict(Call call, const JsonBody& body, std::string_view route) {
  Fields fields(body, "struct PredictRequest");
  const boost::json::value* inputs = fields.require("inputs");
  if (inputs != nullptr && !is_predict_input(*inputs))
    fields.fail("inputs", "data did not match any variant of untagged enum PredictInput");
  read_truncation(fields, *call.service);
  fields.boolean("raw_scores", false);
  if (!fields.ok()) return call.respond(tei_rejection(fields.rejection()));
  fields.count_ignored(call.service->metrics(), route);
  call.begin(inputs->is_array() && !inputs->get_array().empty() && inputs->get_array()[0].is_array());
  call.fail(wrong_model("Model is not a classifier model"));
}

std::optional<ApiError> read_rerank(Fields& fields) {
  fields.string("query");
  const std::vector<std::string> texts = fields.strings("texts");
  fields.optional_boolean("truncate");
  fields.word("truncation_direction", "Right", {"Left", "left", "Right", "right"});
  fields.boolean("raw_scores", false);
  fields.boolean("return_text", false);
  if (!fields.ok()) return std::nullopt;
  if (texts.empty()) return empty_input("`texts` cannot be empty");
  return wrong_model("model is not a re-ranker model");
}

void tei_rerank(Call call, const JsonBody& body, std::string_view route) {
  Fields fields(body, "struct RerankRequest");
  const auto error = read_rerank(fields);
  if (!fields.ok() || !error) return call.respond(tei_rejection(fields.rejection()));
  fields.count_ignored(call.service->metrics(), route);
  call.begin(true);
  call.fail(*error);
}

HttpResponse tei_info(const Service& service) {
  const ModelCard& card = service.card();
  const ServeOptions& options = service.options();
  std::string out = R"({"model_id":)";
  append_string(out, card.id);
  out += R"(,"model_sha":null,"model_dtype":)";
  append_string(out, card.dtype);
  out += R"(,"served_model_name":)";
  append_string(out, card.name);
  const std::string batch_requests =
      options.max_batch_requests == 0 ? "null" : fmt::format("{}", options.max_batch_requests);
  out +=
      fmt::format(R"(,"model_type":{{"embedding":{{"pooling":"mean"}}}},"max_concurrent_requests":{},)"
                  R"("max_input_length":{},"max_batch_tokens":{},"max_batch_requests":{},)"
                  R"("max_client_batch_size":{},"auto_truncate":{},"tokenization_workers":{},"version":)",
                  options.max_concurrent_requests, card.max_tokens, options.max_batch_tokens, batch_requests,
                  options.max_client_batch_size, options.auto_truncate, worker_threads(options));
  append_string(out, version());
  out += R"(,"sha":null,"docker_label":null})";
  return json_response(std::move(out));
}

}  // namespace gemvec::server
