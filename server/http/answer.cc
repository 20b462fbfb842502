// An HttpResponse as it goes over the wire.
#include "server/http/answer.h"

#include <boost/beast/http/verb.hpp>
#include <string>
#include <utility>

#include "server/http/fields.h"

namespace gemvec::server {
namespace {

namespace http = boost::beast::http;

void insert(WireResponse& wire, const Header& header) {
  if (!header.name.empty() && is_field_value(header.name) && is_field_value(header.value)) {
    wire.insert(header.name, header.value);
  }
}

// 1xx, 204 and 304 end with their head (RFC 9112, 6.3) and 1xx and 204 must not declare a length.
bool has_body(unsigned status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

WireResponse wire_response(HttpResponse response, const AnswerContext& context, const Policy& policy) {
  WireResponse wire;
  wire.version(context.version);
  wire.result(response.status);
  if (!response.content_type.empty()) insert(wire, {"content-type", std::move(response.content_type)});
  for (const Header& header : response.headers) insert(wire, header);
  wire.set("x-request-id", context.request.id);
  const std::string_view trace = context.request.header("traceparent");
  if (is_traceparent(trace)) wire.set("traceparent", trace);
  for (const Header& header :
       policy.cors(context.request.header("origin"), context.request.method == "OPTIONS")) {
    insert(wire, header);
  }
  wire.keep_alive(context.keep_alive);
  if (has_body(response.status)) {
    wire.content_length(response.body.size());
    if (!context.head_only) wire.body() = std::move(response.body);
  }
  return wire;
}

WireResponse continue_response() {
  WireResponse wire;
  wire.version(11);
  wire.result(http::status::continue_);
  return wire;
}

}  // namespace gemvec::server
