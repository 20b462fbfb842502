// What is decided about a request once its head has arrived.
#include "server/http/gate.h"

#include <algorithm>
#include <string>
#include <utility>

#include "server/http/fields.h"

namespace gemvec::server {
namespace {

HttpResponse empty(unsigned status) {
  HttpResponse response;
  response.status = status;
  return response;
}

HttpResponse text(unsigned status, std::string_view type, std::string_view body) {
  HttpResponse response;
  response.status = status;
  response.content_type = type;
  response.body = body;
  return response;
}

HttpResponse json(unsigned status, std::string_view body) { return text(status, "application/json", body); }

std::size_t count(const HttpRequest& request, std::string_view name) {
  return static_cast<std::size_t>(
      std::count_if(request.headers.begin(), request.headers.end(),
                    [&](const Header& header) { return same_letters(header.name, name); }));
}

// A head that can be parsed and still must not be believed: two readers could understand it differently.
std::optional<HttpResponse> refuse_framing(const HttpRequest& request, const HeadFacts& facts) {
  const std::string_view coding = request.header("transfer-encoding");
  if (count(request, "transfer-encoding") > 1 || (!coding.empty() && !same_letters(coding, "chunked"))) {
    return plain_text(501, "Only the transfer encoding `chunked` is understood");
  }
  if (!coding.empty() && !facts.chunked) return plain_text(400, "Bad request: transfer-encoding");
  const std::size_t hosts = count(request, "host");
  if (hosts > 1 || (hosts == 0 && facts.version >= 11)) {
    return plain_text(400, "Bad request: exactly one host header is expected");
  }
  const std::string_view expect = request.header("expect");
  if (!expect.empty() && !same_letters(expect, "100-continue")) return empty(417);
  return std::nullopt;
}

std::optional<HttpResponse> refuse_sender(const HttpRequest& request, const Policy& policy) {
  // A client of HTTP/1.0 need not send a Host; no browser, whom the check is about, leaves it out.
  if (count(request, "host") > 0 && !policy.host_accepted(request.header("host"))) {
    return plain_text(403, "Host is not allowed: this server answers to localhost only");
  }
  if (!policy.origin_accepted(request)) return plain_text(403, "Origin is not allowed");
  return std::nullopt;
}

}  // namespace

HttpResponse plain_text(unsigned status, std::string_view body) {
  return text(status, "text/plain; charset=utf-8", body);
}

HttpResponse body_too_large() {
  return plain_text(413, "Failed to buffer the request body: length limit exceeded");
}

HttpResponse internal_error() { return json(500, R"({"error":"internal error","error_type":"Backend"})"); }

HttpResponse timed_out() { return json(503, R"({"error":"Request timed out","error_type":"Backend"})"); }

Decision decide(const HttpRequest& request, const HeadFacts& facts, std::uint64_t body_limit,
                const Router& router, const Policy& policy) {
  Decision decision;
  if ((decision.refusal = refuse_framing(request, facts))) {
    decision.close = true;
    return decision;
  }
  if ((decision.refusal = refuse_sender(request, policy))) return decision;
  if (request.path.empty()) {
    decision.refusal = plain_text(400, "Bad request: the path is not valid percent-encoded UTF-8");
    return decision;
  }
  // As the CORS layer of TEI does it: every OPTIONS is taken for a preflight. The headers are put on every
  // answer.
  if (request.method == "OPTIONS") {
    decision.refusal = empty(200);
    return decision;
  }
  const Router::Match match = router.match(request.method, request.path);
  decision.pattern = match.pattern;
  if (match.handler == nullptr) {
    decision.refusal = empty(match.status);
    if (!match.allow.empty()) decision.refusal->headers.push_back({"allow", match.allow});
    return decision;
  }
  if (match.access == Access::kKey && !policy.key_accepted(request)) {
    decision.refusal = empty(401);
    return decision;
  }
  if (facts.content_length.value_or(0) > body_limit) {
    decision.refusal = body_too_large();
    decision.close = true;
    return decision;
  }
  decision.handler = match.handler;
  decision.quick = match.access == Access::kPublic && request.method == "GET";
  return decision;
}

}  // namespace gemvec::server
