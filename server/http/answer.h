// An HttpResponse as it goes over the wire.
#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <string_view>

#include "server/http/message.h"
#include "server/http/policy.h"

namespace gemvec::server {

using WireResponse = boost::beast::http::response<boost::beast::http::string_body>;

// What of its request an answer depends on.
struct AnswerContext {
  const HttpRequest& request;
  unsigned version = 11;
  bool keep_alive = true;
  bool head_only = false;  // HEAD: the length of the body, but not the body
};

// Adds what every answer has: content-length, connection, x-request-id, the client's traceparent, CORS.
// Headers that could not be sent as one line are left out.
[[nodiscard]] WireResponse wire_response(HttpResponse response, const AnswerContext& context,
                                         const Policy& policy);

// "HTTP/1.1 100 Continue"
[[nodiscard]] WireResponse continue_response();

}  // namespace gemvec::server
