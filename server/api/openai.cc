// OpenAI's /v1/embeddings and /v1/models. What it does with a request is what text-embeddings-inference does,
// whose route this is as well.
#include <fmt/format.h>

#include <array>
#include <boost/json/array.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

#include "server/api/apis.h"
#include "server/api/encode.h"
#include "server/api/model_name.h"
#include "server/api/tei.h"

namespace gemvec::server {

namespace {

constexpr std::string_view kModelsPath = "/v1/models/";

// The names that Jina's clients send as `task`, and the prompts that were trained for the same.
struct JinaTask {
  std::string_view name, prompt;
};
constexpr std::array kJinaTasks = {
    JinaTask{"retrieval.query", "query"},
    JinaTask{"retrieval.passage", "document"},
    JinaTask{"text-matching", "STS"},
    JinaTask{"separation", "Clustering"},
};

struct OpenAiRequest {
  TeiEmbed embed;
  VectorForm form = VectorForm::kFloat;
};

// Jina's API has this path and form too, and some fields of its own.
void read_jina(Fields& fields, OpenAiRequest& request) {
  for (const JinaTask& task : kJinaTasks) {
    if (request.embed.prompt.task == task.name) request.embed.prompt.task = task.prompt;
  }
  request.embed.normalize = fields.optional_boolean("normalized").value_or(true);
  // Who sends it means it, while some clients always send encoding_format. Several forms at once would be an
  // answer of another shape.
  if (const boost::json::value* type = fields.find_optional("embedding_type")) {
    const auto* list = type->if_array();
    const boost::json::value& only = list != nullptr && list->size() == 1 ? list->front() : *type;
    const auto form =
        only.is_string() ? parse_form(std::string_view(only.get_string())) : std::optional<VectorForm>();
    if (form) request.form = *form;
    if (!form) fields.fail("embedding_type", "expected one form of vectors, by its name");
  }
  // The vectors would not be those that were asked for.
  if (fields.optional_boolean("late_chunking").value_or(false))
    fields.fail("late_chunking", "not supported: every input is embedded by itself");
}

OpenAiRequest read_openai(Fields& fields, const Service& service) {
  OpenAiRequest request;
  request.embed.list = require_inputs(fields, "input", Wrapped::kAccept);
  const std::string_view form = fields.word("encoding_format", "float", form_names());
  request.form = parse_form(form).value_or(VectorForm::kFloat);
  request.embed.dimensions = fields.optional_size("dimensions");
  request.embed.truncation = read_truncation(fields, service);
  request.embed.prompt = read_prompt(fields);
  read_jina(fields, request);
  fields.optional_string("model");
  fields.optional_string("user");
  return request;
}

HttpResponse encode(const std::vector<EmbeddedItem>& items, VectorForm form, std::string_view model) {
  std::string body = R"({"object":"list","data":[)";
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i != 0) body += ',';
    body += R"({"object":"embedding","embedding":)";
    append_vector(body, items[i].values, form);
    body += fmt::format(R"(,"index":{}}})", i);
  }
  body += R"(],"model":)";
  append_string(body, model);
  const std::size_t tokens = sum_of_tokens(items);
  body += fmt::format(R"(,"usage":{{"prompt_tokens":{},"total_tokens":{}}}}})", tokens, tokens);
  return json_response(std::move(body));
}

void embeddings(Service& service, std::shared_ptr<const HttpRequest> request, Respond respond,
                std::string_view route) {
  // OpenAI's clients show the message of a JSON body, so what text-embeddings-inference refuses in plain text
  // has its status and words here, but not its form.
  const auto read = JsonBody::read(*request);
  if (const auto* rejection = std::get_if<Rejection>(&read))
    return respond(openai_error(refused(*rejection)));
  Fields fields(*std::get<std::unique_ptr<JsonBody>>(read), "struct OpenAICompatRequest");
  OpenAiRequest wanted = read_openai(fields, service);
  if (!fields.ok()) return respond(openai_error(refused(fields.rejection())));
  fields.count_ignored(service.metrics(), route);
  Call call{&service, std::move(request), std::move(respond), openai_error};
  call.begin(wanted.embed.list.batch);
  call.timing = true;
  auto work = tei_work(call, std::move(wanted.embed));
  if (const auto* error = std::get_if<ApiError>(&work)) return call.fail(*error);
  embed_one(std::move(call), std::get<EmbedWork>(std::move(work)),
            [form = wanted.form, &service](const std::vector<EmbeddedItem>& items) {
              return encode(items, form, service.card().name);
            });
}

std::string model_object(const ModelCard& card) {
  std::string out = R"({"id":)";
  append_string(out, card.name);
  return out + fmt::format(R"(,"object":"model","created":{},"owned_by":"gemvec"}})", card.created);
}

HttpResponse one_model(const ModelCard& card, std::string_view path) {
  const std::string_view name = path.substr(kModelsPath.size());
  if (is_model_name(card, name)) return json_response(model_object(card));
  return openai_error({404, "Validation", fmt::format("The model `{}` does not exist", name), {}, {}});
}

}  // namespace

void add_openai(Router& router, Service& service) {
  for (const std::string_view path : {"/v1/embeddings", "/embeddings"}) {
    router.add(
        "POST", path, Access::kKey,
        [&service, route = std::string(path)](std::shared_ptr<const HttpRequest> request, Respond respond) {
          embeddings(service, std::move(request), std::move(respond), route);
        });
  }
  router.add("GET", "/v1/models", Access::kKey,
             [&service](const std::shared_ptr<const HttpRequest>&, const Respond& respond) {
               respond(json_response(R"({"object":"list","data":[)" + model_object(service.card()) + "]}"));
             });
  router.add("GET", "/v1/models/*", Access::kKey,
             [&service](const std::shared_ptr<const HttpRequest>& request, const Respond& respond) {
               respond(one_model(service.card(), request->path));
             });
}

}  // namespace gemvec::server
