#include "server/api/tei.h"

#include "server/api/apis.h"

namespace gemvec::server {

void add_tei_route(Router& router, Service& service, std::string_view path, TeiRoute handler) {
  router.add("POST", path, Access::kKey,
             [&service, handler, route = std::string(path)](std::shared_ptr<const HttpRequest> request,
                                                            Respond respond) {
               auto body = JsonBody::read(*request);
               if (const auto* rejection = std::get_if<Rejection>(&body))
                 return respond(tei_rejection(*rejection));
               Call call{&service, std::move(request), std::move(respond), tei_error};
               handler(std::move(call), *std::get<std::unique_ptr<JsonBody>>(body), route);
             });
}

Truncation read_truncation(Fields& fields, const Service& service) {
  Truncation out;
  out.truncate = fields.optional_boolean("truncate").value_or(service.options().auto_truncate);
  const std::string_view direction =
      fields.word("truncation_direction", "Right", {"Left", "left", "Right", "right"});
  out.direction = direction == "Left" || direction == "left" ? Truncate::kLeft : Truncate::kRight;
  return out;
}

void add_tei(Router& router, Service& service) {
  for (const std::string_view path : {"/embed", "/", "/invocations"})
    add_tei_route(router, service, path, tei_embed);
  add_tei_route(router, service, "/embed_all", tei_embed_all);
  add_tei_route(router, service, "/embed_sparse", tei_embed_sparse);
  add_tei_route(router, service, "/similarity", tei_similarity);
  add_tei_route(router, service, "/predict", tei_predict);
  add_tei_route(router, service, "/rerank", tei_rerank);
  add_tei_route(router, service, "/tokenize", tei_tokenize);
  add_tei_route(router, service, "/decode", tei_decode);
  add_tei_route(router, service, "/vertex", tei_vertex);
  router.add("GET", "/info", Access::kKey,
             [&service](const std::shared_ptr<const HttpRequest>&, const Respond& respond) {
               respond(tei_info(service));
             });
}

}  // namespace gemvec::server
