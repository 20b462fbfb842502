// What is decided about a request once its head has arrived, before any of its body is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "server/http/message.h"
#include "server/http/policy.h"
#include "server/http/router.h"

namespace gemvec::server {

// What a head says beside the fields of HttpRequest.
struct HeadFacts {
  unsigned version = 11;  // 10 or 11
  bool chunked = false;
  std::optional<std::uint64_t> content_length;  // as declared
};

struct Decision {
  std::optional<HttpResponse> refusal;  // the answer, if no handler is to be asked
  bool close = false;                   // after the refusal: where the next request begins is not known
  const Handler* handler = nullptr;     // null exactly if there is a refusal
  bool quick = false;                   // a public GET: costs next to nothing, and must never wait
  std::string_view pattern;             // of the route, or empty
};

// `request` has everything but its body.
[[nodiscard]] Decision decide(const HttpRequest& request, const HeadFacts& facts, std::uint64_t body_limit,
                              const Router& router, const Policy& policy);

// The answers of the transport itself.
[[nodiscard]] HttpResponse plain_text(unsigned status, std::string_view text);
[[nodiscard]] HttpResponse body_too_large();
[[nodiscard]] HttpResponse internal_error();
[[nodiscard]] HttpResponse timed_out();

}  // namespace gemvec::server
