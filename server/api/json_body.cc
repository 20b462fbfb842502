#include "server/api/json_body.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/parser.hpp>
#include <boost/json/serialize.hpp>

#include "server/api/json_position.h"

namespace gemvec::server {

namespace {

// A first guess at the values of a body: strings keep their length, and few bodies are lists of numbers.
constexpr std::size_t kLeastMemory = 1024;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// serde_json's words for what Boost.JSON found.
std::string_view words(boost::json::error_code code, bool at_end) {
  using boost::json::error;
  if (code == error::incomplete || at_end) return "EOF while parsing a value";
  if (code == error::extra_data) return "trailing characters";
  if (code == error::too_deep) return "recursion limit exceeded";
  if (code == error::illegal_leading_surrogate) return "lone leading surrogate in hex escape";
  if (code == error::illegal_trailing_surrogate) return "lone trailing surrogate in hex escape";
  if (code == error::expected_hex_digit) return "invalid escape";
  if (code == error::expected_utf16_escape) return "unexpected end of hex escape";
  if (code == error::exponent_overflow) return "number out of range";
  return "expected value";
}

}  // namespace

bool says_json(std::string_view content_type) {
  const std::string type = lower(trim(content_type.substr(0, content_type.find(';'))));
  constexpr std::string_view kApplication = "application/";
  if (!type.starts_with(kApplication)) return false;
  const std::string_view sub = std::string_view(type).substr(kApplication.size());
  return sub == "json" || (sub.size() > 5 && sub.ends_with("+json"));
}

std::string describe(const boost::json::value& value) {
  switch (value.kind()) {
    case boost::json::kind::null:
      return "null";
    case boost::json::kind::bool_:
      return fmt::format("boolean `{}`", value.get_bool());
    case boost::json::kind::int64:
      return fmt::format("integer `{}`", value.get_int64());
    case boost::json::kind::uint64:
      return fmt::format("integer `{}`", value.get_uint64());
    case boost::json::kind::double_:
      return fmt::format("floating point `{}`", value.get_double());
    case boost::json::kind::string:
      return "string " + boost::json::serialize(value.get_string());
    case boost::json::kind::array:
      return "sequence";
    case boost::json::kind::object:
      return "map";
  }
  return "value";
}

JsonBody::JsonBody(std::string_view text) : text_(text), memory_(std::max(kLeastMemory, text.size())) {}

std::optional<std::string> JsonBody::parse() {
  boost::json::parser parser;
  parser.reset(&memory_);
  boost::json::error_code error;
  std::size_t at = parser.write_some(text_.data(), text_.size(), error);
  if (!error && at < text_.size()) error = boost::json::error::extra_data;
  if (error) {
    const bool at_end = at >= text_.size();
    // serde counts the offending byte, unless there is none.
    return std::string(words(error, at_end)) + at_position(text_, at_end ? text_.size() : at + 1);
  }
  value_.emplace(parser.release());
  return std::nullopt;
}

std::variant<std::unique_ptr<JsonBody>, Rejection> JsonBody::read_any(const HttpRequest& request) {
  std::unique_ptr<JsonBody> body(new JsonBody(request.body));
  if (auto error = body->parse()) return Rejection{400, std::move(*error)};
  return body;
}

std::variant<std::unique_ptr<JsonBody>, Rejection> JsonBody::read(const HttpRequest& request) {
  if (!says_json(request.header("content-type")))
    return Rejection{415, "Expected request with `Content-Type: application/json`"};
  auto read = read_any(request);
  if (auto* rejection = std::get_if<Rejection>(&read))
    rejection->message.insert(0, "Failed to parse the request body as JSON: ");
  else
    std::get<std::unique_ptr<JsonBody>>(read)->refuses_repeated_ = true;
  return read;
}

}  // namespace gemvec::server
