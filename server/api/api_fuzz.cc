// Any bytes as the body of every route: exactly one answer, of a status that the APIs have, in valid JSON or
// text.
#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/api/service_testing.h"

namespace {

using gemvec::server::HttpResponse;
using gemvec::server::testing::ApiClient;

constexpr std::array<std::string_view, 19> kRoutes = {
    "/embed",          "/embed_all", "/embed_sparse", "/similarity", "/predict",
    "/rerank",         "/tokenize",  "/decode",       "/vertex",     "/",
    "/embeddings",     "/embedding", "/v2/embed",     "/detokenize", "/v1/embeddings",
    "/api/embeddings", "/api/embed", "/api/show",     "/api/pull",
};

bool is_json_lines(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    boost::json::error_code error;
    boost::json::parse({text.data(), end}, error);
    if (error || end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  return true;
}

void check(const HttpResponse& response) {
  constexpr std::array kStatuses = {200U, 400U, 404U, 415U, 422U, 424U, 500U};
  bool known = false;
  for (const unsigned status : kStatuses) known = known || status == response.status;
  if (!known) std::abort();
  if (response.content_type == "application/json") {
    boost::json::error_code error;
    boost::json::parse(response.body, error);
    if (error) std::abort();
  } else if (response.content_type == "application/x-ndjson") {
    if (!is_json_lines(response.body)) std::abort();
  } else if (response.content_type != "text/plain; charset=utf-8" || response.status == 200) {
    std::abort();
  }
}

}  // namespace

// The first byte chooses the route; for some values all get the same body.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static ApiClient& client = *new ApiClient();
  client.service.card_.width = 8;
  client.service.seen.clear();
  gemvec::server::testing::take_metrics();
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] < kRoutes.size()) {
    check(client.post(kRoutes[data[0]], body));
  } else {
    for (const std::string_view route : kRoutes) check(client.post(route, body));
  }
  return 0;
}
