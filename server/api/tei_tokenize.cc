// /tokenize and /decode: the tokenizer alone.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

#include "server/api/encode.h"
#include "server/api/llama.h"
#include "server/api/tei.h"

namespace gemvec::server {

namespace {

// What serde reads as an untagged list or single text.
std::optional<std::vector<std::string>> read_texts(const boost::json::value& value, bool& batch) {
  std::vector<std::string> texts;
  batch = value.is_array();
  if (value.is_string()) texts.emplace_back(std::string_view(value.get_string()));
  if (!batch) return value.is_string() ? std::optional(std::move(texts)) : std::nullopt;
  for (const boost::json::value& element : value.get_array()) {
    if (!element.is_string()) return std::nullopt;
    texts.emplace_back(std::string_view(element.get_string()));
  }
  return texts;
}

// A single list of ids, or lists of ids. The empty list is a single one.
std::optional<std::vector<std::vector<std::int32_t>>> read_id_lists(const boost::json::value& value) {
  std::vector<std::vector<std::int32_t>> lists;
  if (auto single = read_ids(value)) {
    lists.push_back(std::move(*single));
    return lists;
  }
  if (!value.is_array()) return std::nullopt;
  for (const boost::json::value& element : value.get_array()) {
    auto ids = read_ids(element);
    if (!ids) return std::nullopt;
    lists.push_back(std::move(*ids));
  }
  return lists;
}

// `text` is what was encoded, prompt included.
void append_tokens(std::string& out, const Tokenizer& tokenizer, const std::string& text,
                   const Encoding& encoding, bool specials) {
  out += '[';
  const std::size_t count = encoding.ids.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (i != 0) out += ',';
    // Special to the original is what the tokenizer adds, not a control string inside the text.
    const bool special = specials && (i == 0 || i + 1 == count);
    const ByteRange range = encoding.offsets[i];
    out += fmt::format(R"({{"id":{},"text":)", encoding.ids[i]);
    if (special) {
      append_string(out, tokenizer.piece(encoding.ids[i]));
      out += R"(,"special":true,"start":null,"stop":null})";
    } else {
      append_string(out, std::string_view(text).substr(range.begin, range.end - range.begin));
      out += fmt::format(R"(,"special":false,"start":{},"stop":{}}})", range.begin, range.end);
    }
  }
  out += ']';
}

struct TokenizeRequest {
  std::vector<std::string> texts;
  bool batch = false;
  bool specials = true;
  PromptChoice prompt;
};

TokenizeRequest read_tokenize(Fields& fields) {
  TokenizeRequest out;
  if (const boost::json::value* value = fields.require("inputs")) {
    if (auto texts = read_texts(*value, out.batch)) {
      out.texts = std::move(*texts);
    } else {
      fields.fail("inputs", "data did not match any variant of untagged enum TokenizeInput");
    }
  }
  out.specials = fields.boolean("add_special_tokens", true);
  out.prompt = read_prompt(fields);
  return out;
}

std::variant<std::string, ApiError> tokenize_all(const Service& service, const TokenizeRequest& request) {
  const auto prefix = find_prefix(service, request.prompt);
  if (const auto* error = std::get_if<ApiError>(&prefix)) return *error;
  std::string body = "[";
  for (const std::string& input : request.texts) {
    const std::string text = std::get<std::string>(prefix) + input;
    const auto encoding =
        service.tokenizer().encode(text, {.max_tokens = 0, .add_bos_eos = request.specials, .offsets = true});
    if (!encoding) return api_error({Fault::kTokenizer, encoding.error().message, 0, {}});
    if (body.size() > 1) body += ',';
    append_tokens(body, service.tokenizer(), text, *encoding, request.specials);
  }
  body += ']';
  return body;
}

// A failure is counted here as for vectors, the request is not.
std::optional<ApiError> check_count(const Service& service, std::size_t inputs, std::string_view none) {
  const std::size_t limit = service.options().max_client_batch_size;
  if (inputs == 0) return empty_input(none);
  if (inputs > limit) return too_many(inputs, limit);
  return std::nullopt;
}

}  // namespace

void tei_tokenize(Call call, const JsonBody& body, std::string_view route) {
  // llama-server has a route of the same name, whose requests say "content".
  const auto* object = body.value().if_object();
  if (object != nullptr && object->contains("content") && !object->contains("inputs"))
    return llama_tokenize(std::move(call), body, route);
  Fields fields(body, "struct TokenizeRequest");
  const TokenizeRequest request = read_tokenize(fields);
  if (!fields.ok()) return call.respond(tei_rejection(fields.rejection()));
  fields.count_ignored(call.service->metrics(), route);
  if (auto error = check_count(*call.service, request.texts.size(), "`inputs` cannot be empty"))
    return call.fail(*error);
  auto answer = tokenize_all(*call.service, request);
  if (const auto* error = std::get_if<ApiError>(&answer)) return call.fail(*error);
  call.respond(json_response(std::get<std::string>(std::move(answer))));
}

void tei_decode(Call call, const JsonBody& body, std::string_view route) {
  Fields fields(body, "struct DecodeRequest");
  std::vector<std::vector<std::int32_t>> lists;
  if (const boost::json::value* value = fields.require("ids")) {
    if (auto read = read_id_lists(*value)) {
      lists = std::move(*read);
    } else {
      fields.fail("ids", "data did not match any variant of untagged enum InputIds");
    }
  }
  const bool skip = fields.boolean("skip_special_tokens", true);
  if (!fields.ok()) return call.respond(tei_rejection(fields.rejection()));
  fields.count_ignored(call.service->metrics(), route);
  if (auto error = check_count(*call.service, lists.size(), "`ids` cannot be empty"))
    return call.fail(*error);
  std::string out = "[";
  for (const auto& ids : lists) {
    if (ids.empty()) return call.fail(empty_input("Input validation error: `input_ids` cannot be empty"));
    if (out.size() > 1) out += ',';
    append_string(out, call.service->tokenizer().decode(ids, skip));
  }
  out += ']';
  call.respond(json_response(std::move(out)));
}

}  // namespace gemvec::server
