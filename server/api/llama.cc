#include "server/api/llama.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <cmath>

#include "server/api/apis.h"
#include "server/api/encode.h"
#include "server/api/fields.h"
#include "server/api/inputs.h"
#include "server/api/prompt_choice.h"

namespace gemvec::server {

namespace {

constexpr std::string_view kInvalid = "invalid_request_error";
constexpr std::int64_t kEuclidean = 2;
// llama.cpp's: the largest component becomes this, so that it fits 16 bits with room to spare.
constexpr double kMaxAbsolute = 32760.0;

// A text that is too long, in the original's words, if it was short enough for its tokens to be counted.
HttpResponse too_long(const ApiError& error) {
  constexpr std::string_view kType = "exceed_context_size_error";
  const std::string window = fmt::format(R"(,"n_ctx":{})", error.max_tokens);
  if (error.tokens == 0) return llama_error(400, error.message, kType, window);
  return llama_error(
      400,
      fmt::format("input ({} tokens) is larger than the max context size ({} tokens). skipping", error.tokens,
                  error.max_tokens),
      kType, fmt::format(R"(,"n_prompt_tokens":{}{})", error.tokens, window));
}

HttpResponse error_body(const ApiError& error) {
  switch (error.status) {
    case 429: {
      HttpResponse response = llama_error(503, error.message, "unavailable_error");
      add_retry_after(response, error.retry_after);
      return response;
    }
    case 424:
      return llama_error(500, error.message, "server_error");
    case 400:
      return llama_error(400, "Input content cannot be empty", kInvalid);
    case 422:
      // Beside a text that is too long the service refuses ids that the vocabulary does not have.
      return error.max_tokens != 0 ? too_long(error) : llama_error(400, error.message, kInvalid);
    default:
      return llama_error(error.status, error.message, kInvalid);
  }
}

bool is_number(const boost::json::value& value) { return value.is_number(); }
bool is_string(const boost::json::value& value) { return value.is_string(); }

// Ids and texts in turn are one input: its texts become ids, BOS before the first if the input begins with
// it.
std::optional<Input> read_mixed(const boost::json::array& parts, const Tokenizer& tokenizer) {
  std::vector<std::int32_t> ids;
  for (const boost::json::value& part : parts) {
    if (!part.is_string()) {
      const auto id = read_ids(boost::json::array{part});
      if (!id) return std::nullopt;
      ids.push_back(id->front());
      continue;
    }
    if (ids.empty()) ids.push_back(tokenizer.bos_id());
    const auto encoding =
        tokenizer.encode(std::string_view(part.get_string()), {.max_tokens = 0, .add_bos_eos = false});
    if (!encoding) return std::nullopt;
    ids.insert(ids.end(), encoding->ids.begin(), encoding->ids.end());
  }
  return ids;
}

std::optional<Input> read_prompt_value(const boost::json::value& value, const Tokenizer& tokenizer) {
  if (value.is_string()) return Input(std::string(std::string_view(value.get_string())));
  if (const auto* object = value.if_object()) {
    const auto* text = object->if_contains("prompt_string");
    if (text == nullptr || !text->is_string()) return std::nullopt;
    return Input(std::string(std::string_view(text->get_string())));
  }
  if (auto ids = read_ids(value)) return Input(std::move(*ids));
  const auto* parts = value.if_array();
  return parts != nullptr ? read_mixed(*parts, tokenizer) : std::nullopt;
}

// A list is one input if it has ids in it, else a list of inputs.
std::optional<std::vector<Input>> read_prompts(const boost::json::value& value, const Tokenizer& tokenizer) {
  std::vector<Input> inputs;
  const auto* list = value.if_array();
  if (list == nullptr || std::any_of(list->begin(), list->end(), is_number)) {
    auto input = read_prompt_value(value, tokenizer);
    if (!input) return std::nullopt;
    inputs.push_back(std::move(*input));
    return inputs;
  }
  for (const boost::json::value& element : *list) {
    auto input = read_prompt_value(element, tokenizer);
    if (!input) return std::nullopt;
    inputs.push_back(std::move(*input));
  }
  return inputs;
}

// The norms of llama.cpp's option of that name, beyond -1 (none) and 2, which the service has done.
std::vector<float> normalized(const std::vector<float>& values, std::int64_t norm) {
  double sum = 0;
  for (const float value : values) {
    const double size = std::fabs(static_cast<double>(value));
    sum = norm == 0 ? std::max(sum, size) : sum + std::pow(size, static_cast<double>(norm));
  }
  sum = norm == 0 ? sum / kMaxAbsolute : std::pow(sum, 1.0 / static_cast<double>(norm));
  std::vector<float> out(values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    out[i] = sum > 0 ? static_cast<float>(static_cast<double>(values[i]) / sum) : 0.0F;
  return out;
}

HttpResponse encode(const std::vector<EmbeddedItem>& items, std::int64_t norm) {
  std::string body = "[";
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i != 0) body += ',';
    body += fmt::format(R"({{"index":{},"embedding":[)", i);
    append_floats(body, norm < 0 || norm == kEuclidean ? items[i].values : normalized(items[i].values, norm));
    body += "]}";
  }
  body += ']';
  return json_response(std::move(body));
}

void embedding(Service& service, std::shared_ptr<const HttpRequest> request, Respond respond) {
  const auto read = JsonBody::read_any(*request);
  if (const auto* rejection = std::get_if<Rejection>(&read))
    return respond(llama_error(400, rejection->message, kInvalid));
  Fields fields(*std::get<std::unique_ptr<JsonBody>>(read), "a map");
  const auto* content = fields.find("content");
  const auto* input = fields.find("input");
  const std::int64_t norm = fields.optional_integer("embd_normalize").value_or(kEuclidean);
  const std::string_view format = fields.optional_string("encoding_format").value_or("float");
  const PromptChoice prompt = read_prompt(fields);
  fields.accept({"model", "user"});
  if (!fields.ok()) return respond(llama_error(400, fields.problem(), kInvalid));
  fields.count_ignored(service.metrics(), "/embedding");
  if (format != "float" && format != "base64")
    return respond(
        llama_error(400, "The format to return the embeddings in. Can be either float or base64", kInvalid));
  const auto* value = content != nullptr ? content : input;
  if (value == nullptr)
    return respond(llama_error(400, "\"input\" or \"content\" must be provided", kInvalid));
  auto inputs = read_prompts(*value, service.tokenizer());
  if (!inputs)
    return respond(llama_error(400,
                               "\"prompt\" elements must be a string, a list of tokens, a list of mixed "
                               "strings & tokens, or a list of prompts",
                               kInvalid));
  Call call{&service, std::move(request), std::move(respond), error_body};
  call.begin(value->is_array());
  const auto prefix = find_prefix(service, prompt);
  if (const auto* error = std::get_if<ApiError>(&prefix)) {
    call.error_body = [](const ApiError& wrong) { return llama_error(400, wrong.message, kInvalid); };
    return call.fail(*error);
  }
  if (inputs->empty()) return call.fail(empty_input("Input content cannot be empty"));
  EmbedWork work = call.work(std::get<std::string>(prefix));
  work.inputs = std::move(*inputs);
  work.truncate = false;  // as the original
  work.normalize = norm == kEuclidean;
  embed_in_pieces(std::move(call), std::move(work),
                  [norm](const std::vector<EmbeddedItem>& items) { return encode(items, norm); });
}

// A byte's token, "<0x0A>": nothing if it is another.
std::optional<unsigned> byte_of(std::string_view piece) {
  constexpr std::string_view kBegin = "<0x";
  if (piece.size() != 6 || !piece.starts_with(kBegin) || piece.back() != '>') return std::nullopt;
  unsigned byte = 0;
  const auto [end, error] = std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
  if (error != std::errc() || end != piece.data() + 5) return std::nullopt;
  return byte;
}

void append_piece(std::string& out, const Tokenizer& tokenizer, std::int32_t id) {
  const std::string_view piece = tokenizer.piece(id);
  out += fmt::format(R"({{"id":{},"piece":)", id);
  if (const auto byte = byte_of(piece); byte && *byte >= 0x80) {
    out += fmt::format("[{}]", *byte);  // a part of a character is no JSON string
  } else {
    const std::array ids = {id};
    append_string(out, tokenizer.decode(ids, false));
  }
  out += '}';
}

void detokenize(Service& service, const HttpRequest& request, const Respond& respond) {
  const auto read = JsonBody::read_any(request);
  if (const auto* rejection = std::get_if<Rejection>(&read))
    return respond(llama_error(400, rejection->message, kInvalid));
  Fields fields(*std::get<std::unique_ptr<JsonBody>>(read), "a map");
  std::vector<std::int32_t> ids;
  if (const auto* value = fields.find("tokens")) {
    auto given = read_ids(*value);
    if (!given) return respond(llama_error(400, "\"tokens\" must be a list of tokens", kInvalid));
    ids = std::move(*given);
  }
  if (!fields.ok()) return respond(llama_error(400, fields.problem(), kInvalid));
  fields.count_ignored(service.metrics(), "/detokenize");
  std::string body = R"({"content":)";
  append_string(body, service.tokenizer().decode(ids, false));
  body += '}';
  respond(json_response(std::move(body)));
}

}  // namespace

void llama_tokenize(Call call, const JsonBody& body, std::string_view route) {
  Fields fields(body, "a map");
  const Tokenizer& tokenizer = call.service->tokenizer();
  const auto* content = fields.find("content");
  const bool specials = fields.boolean("add_special", false);
  const bool parse = fields.boolean("parse_special", true);
  const bool pieces = fields.boolean("with_pieces", false);
  if (!fields.ok()) return call.respond(llama_error(400, fields.problem(), kInvalid));
  fields.count_ignored(call.service->metrics(), route);
  if (!is_string(*content)) return call.respond(llama_error(400, "\"content\" must be a string", kInvalid));
  const auto encoding = tokenizer.encode(std::string_view(content->get_string()),
                                         {.max_tokens = 0,
                                          .control_text = parse ? ControlText::kParse : ControlText::kText,
                                          .add_bos_eos = specials});
  if (!encoding) return call.respond(llama_error(400, encoding.error().message, kInvalid));
  std::string out = R"({"tokens":[)";
  for (std::size_t i = 0; i < encoding->ids.size(); ++i) {
    if (i != 0) out += ',';
    if (pieces) {
      append_piece(out, tokenizer, encoding->ids[i]);
    } else {
      out += fmt::format("{}", encoding->ids[i]);
    }
  }
  out += "]}";
  call.respond(json_response(std::move(out)));
}

void add_llama(Router& router, Service& service) {
  router.add("POST", "/embedding", Access::kKey,
             [&service](std::shared_ptr<const HttpRequest> request, Respond respond) {
               embedding(service, std::move(request), std::move(respond));
             });
  router.add("POST", "/detokenize", Access::kKey,
             [&service](const std::shared_ptr<const HttpRequest>& request, const Respond& respond) {
               detokenize(service, *request, respond);
             });
}

}  // namespace gemvec::server
