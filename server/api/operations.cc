// For whoever runs the server: /health, /ping, /metrics.
#include "server/api/apis.h"
#include "server/api/errors.h"

namespace gemvec::server {

namespace {

HttpResponse health(const Service& service) {
  if (service.healthy()) return {};
  return tei_error({503, "Unhealthy", "unhealthy", {}, {}});
}

}  // namespace

void add_operations(Router& router, Service& service) {
  for (const std::string_view path : {"/health", "/ping"}) {
    router.add("GET", path, Access::kPublic,
               [&service](const std::shared_ptr<const HttpRequest>&, const Respond& respond) {
                 respond(health(service));
               });
  }
  router.add("GET", "/metrics", Access::kPublic,
             [&service](const std::shared_ptr<const HttpRequest>&, const Respond& respond) {
               respond({200, "text/plain; charset=utf-8", service.metrics().text(), {}});
             });
}

}  // namespace gemvec::server
