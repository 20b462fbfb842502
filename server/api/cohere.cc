// Cohere's /v2/embed. What a text is for is part of each request, and says which prompt goes before it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

#include "server/api/apis.h"
#include "server/api/call.h"
#include "server/api/encode.h"
#include "server/api/fields.h"
#include "server/api/inputs.h"
#include "server/api/prompt_choice.h"

namespace gemvec::server {

namespace {

constexpr std::string_view kRoute = "/v2/embed";
constexpr std::size_t kMostTexts = 96;  // of one request, by Cohere's documentation

struct InputType {
  std::string_view name, prompt;
};
constexpr std::array kInputTypes = {
    InputType{"search_query", "query"},
    InputType{"search_document", "document"},
    InputType{"classification", "Classification"},
    InputType{"clustering", "Clustering"},
};

struct CohereRequest {
  std::vector<std::string> texts;
  std::vector<std::string> forms;  // as asked for, in that order, none twice
  std::optional<std::string_view> input_type;
  PromptChoice prompt;
  std::string_view truncate;
  std::optional<std::uint64_t> dimension;
  bool has_images = false;
};

// inputs: [{"content": [{"type": "text", "text": "..."}]}]: the texts of one input are one text. False if it
// has another form, an image for example.
bool read_contents(const boost::json::value& inputs, std::vector<std::string>& texts) {
  if (!inputs.is_array()) return false;
  for (const boost::json::value& input : inputs.get_array()) {
    const auto* object = input.if_object();
    const auto* content = object != nullptr ? object->if_contains("content") : nullptr;
    if (content == nullptr || !content->is_array()) return false;
    std::string& text = texts.emplace_back();
    for (const boost::json::value& part : content->get_array()) {
      const auto* fields = part.if_object();
      const auto* piece = fields != nullptr ? fields->if_contains("text") : nullptr;
      if (piece == nullptr || !piece->is_string()) return false;
      text += std::string_view(piece->get_string());
    }
  }
  return true;
}

CohereRequest read_cohere(Fields& fields) {
  CohereRequest out;
  fields.optional_string("model");
  if (fields.find_optional("texts") != nullptr) out.texts = fields.strings("texts");
  if (const auto* inputs = fields.find_optional("inputs");
      inputs != nullptr && !read_contents(*inputs, out.texts))
    out.has_images = true;
  if (const auto* images = fields.find_optional("images"))
    out.has_images = out.has_images || !images->is_array() || !images->get_array().empty();
  if (fields.find_optional("embedding_types") != nullptr) out.forms = fields.strings("embedding_types");
  if (out.forms.empty()) out.forms.emplace_back("float");
  std::vector<std::string> once;
  for (std::string& form : out.forms) {
    if (std::find(once.begin(), once.end(), form) == once.end()) once.push_back(std::move(form));
  }
  out.forms = std::move(once);
  out.input_type = fields.optional_string("input_type");
  out.prompt = read_prompt(fields);
  out.truncate = fields.optional_string("truncate").value_or("END");
  out.dimension = fields.optional_size("output_dimension");
  fields.accept({"priority"});  // there is one queue for all who have no stream of requests
  return out;
}

// What is wrong with it, or "".
std::string complaint_about(const CohereRequest& request, const ModelCard& card) {
  if (request.has_images || request.input_type == "image") return "this model embeds text only: give `texts`";
  if (request.texts.empty()) return "invalid request: `texts` must not be empty";
  if (request.texts.size() > kMostTexts)
    return fmt::format("invalid request: at most {} texts can be embedded at once, {} were given", kMostTexts,
                       request.texts.size());
  for (const std::string& form : request.forms) {
    if (!parse_form(form))
      return fmt::format("invalid request: `{}` is no embedding type; valid are {}", form,
                         fmt::join(form_names(), ", "));
  }
  if (request.truncate != "NONE" && request.truncate != "START" && request.truncate != "END")
    return fmt::format("invalid request: truncate must be NONE, START or END, not `{}`", request.truncate);
  if (request.dimension && (*request.dimension == 0 || *request.dimension > card.width))
    return fmt::format("invalid request: output_dimension must be from 1 to {}", card.width);
  return {};
}

// The prompt that the input type stands for, or the one that is named beside it. A text without any is an
// error, as in the original.
std::variant<PromptChoice, std::string> choose_prompt(const CohereRequest& request) {
  if (request.prompt.task || request.prompt.prompt_name) return request.prompt;
  for (const InputType& type : kInputTypes) {
    if (request.input_type != type.name) continue;
    PromptChoice choice = request.prompt;
    choice.prompt_name = type.prompt;
    return choice;
  }
  if (!request.input_type) return "valid input_type must be provided with the provided model";
  return fmt::format(
      "invalid request: `{}` is no input_type; valid are search_document, search_query, "
      "classification, clustering",
      *request.input_type);
}

unsigned status_of(const ApiError& error) {
  if (error.status == 422) return 400;
  return error.status == 424 ? 500 : error.status;
}

HttpResponse encode(const std::vector<EmbeddedItem>& items, const std::vector<std::string>& texts,
                    const std::vector<std::string>& forms, std::string_view id) {
  std::string body = R"({"id":)";
  append_string(body, id);
  body += R"(,"embeddings":{)";
  for (std::size_t f = 0; f < forms.size(); ++f) {
    body += fmt::format(R"({}"{}":[)", f == 0 ? "" : ",", forms[f]);
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i != 0) body += ',';
      append_vector(body, items[i].values, *parse_form(forms[f]));
    }
    body += ']';
  }
  body += R"(},"texts":[)";
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i != 0) body += ',';
    append_string(body, texts[i]);
  }
  body += fmt::format(R"(],"meta":{{"api_version":{{"version":"2"}},"billed_units":{{"input_tokens":{}}}}},)"
                      R"("response_type":"embeddings_by_type"}})",
                      sum_of_tokens(items));
  return json_response(std::move(body));
}

HttpResponse error_body(const HttpRequest& request, const ApiError& error) {
  HttpResponse response = cohere_error(request, status_of(error), error.message);
  if (error.status == 429) add_retry_after(response, error.retry_after);
  return response;
}

void embed(Service& service, std::shared_ptr<const HttpRequest> request, Respond respond) {
  const auto read = JsonBody::read_any(*request);
  if (const auto* rejection = std::get_if<Rejection>(&read))
    return respond(cohere_error(*request, 400, "invalid request: " + rejection->message));
  Fields fields(*std::get<std::unique_ptr<JsonBody>>(read), "a map");
  CohereRequest wanted = read_cohere(fields);
  if (!fields.ok()) return respond(cohere_error(*request, 400, "invalid request: " + fields.problem()));
  fields.count_ignored(service.metrics(), kRoute);
  Call call{&service, request, std::move(respond),
            [request](const ApiError& error) { return error_body(*request, error); }};
  call.begin(true);
  if (const std::string wrong = complaint_about(wanted, service.card()); !wrong.empty())
    return call.fail({400, "Validation", wrong, "validation", {}});
  const auto choice = choose_prompt(wanted);
  if (const auto* wrong = std::get_if<std::string>(&choice))
    return call.fail({400, "Validation", *wrong, "validation", {}});
  const auto prefix = find_prefix(service, std::get<PromptChoice>(choice));
  if (const auto* error = std::get_if<ApiError>(&prefix)) return call.fail(*error);
  EmbedWork work = call.work(std::get<std::string>(prefix));
  work.inputs.assign(wanted.texts.begin(), wanted.texts.end());
  work.truncate = wanted.truncate != "NONE";
  // START discards the start of a text, so its end is kept.
  work.direction = wanted.truncate == "START" ? Truncate::kLeft : Truncate::kRight;
  work.dimensions = static_cast<std::size_t>(wanted.dimension.value_or(0));
  embed_in_pieces(std::move(call), std::move(work),
                  [wanted = std::move(wanted), request](const std::vector<EmbeddedItem>& items) {
                    return encode(items, wanted.texts, wanted.forms, request->id);
                  });
}

}  // namespace

void add_cohere(Router& router, Service& service) {
  router.add("POST", kRoute, Access::kKey,
             [&service](std::shared_ptr<const HttpRequest> request, Respond respond) {
               embed(service, std::move(request), std::move(respond));
             });
}

}  // namespace gemvec::server
