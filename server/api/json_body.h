// The body of a request as JSON, or the plain text that text-embeddings-inference's framework refuses it
// with.
#pragma once

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "server/http/message.h"

namespace gemvec::server {

// Why a body is not taken, before anything is done with it.
struct Rejection {
  unsigned status = 400;
  std::string message;
};

// `application/json`, also with parameters, and `application/...+json`.
bool says_json(std::string_view content_type);

// What serde calls a value in "invalid type: ..., expected": "integer `5`".
std::string describe(const boost::json::value& value);

// Values live as long as this. Holds the text of the request, so that messages can say where.
class JsonBody {
 public:
  // 415 without JSON's content type, 400 for what is no JSON. As serde does it, a field that is asked for and
  // comes twice will be an error; other APIs take the last.
  static std::variant<std::unique_ptr<JsonBody>, Rejection> read(const HttpRequest& request);
  // The same, whatever the content type says, for APIs that never look at it. The message is without
  // "Failed to parse...".
  static std::variant<std::unique_ptr<JsonBody>, Rejection> read_any(const HttpRequest& request);

  [[nodiscard]] const boost::json::value& value() const { return *value_; }
  [[nodiscard]] std::string_view text() const { return text_; }
  [[nodiscard]] bool refuses_repeated() const { return refuses_repeated_; }

 private:
  explicit JsonBody(std::string_view text);
  // The error, if there is one.
  std::optional<std::string> parse();

  std::string_view text_;
  bool refuses_repeated_ = false;
  // One request's values are made and dropped together.
  boost::json::monotonic_resource memory_;
  std::optional<boost::json::value> value_;  // set once parsed; an assignment would copy it out of memory_
};

}  // namespace gemvec::server
