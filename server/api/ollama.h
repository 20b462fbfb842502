// Ollama's routes: what its files share.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <variant>

#include "server/api/errors.h"
#include "server/api/json_body.h"
#include "server/http/router.h"
#include "server/service.h"

namespace gemvec::server {

// /api/tags, /api/show, /api/ps, /api/version, /api/pull.
void add_ollama_models(Router& router, Service& service);

// The body, which Ollama reads whatever its content type says, or why it is none.
std::variant<std::unique_ptr<JsonBody>, HttpResponse> read_ollama(const HttpRequest& request);

// 404 for a model that is not here; `name` as the client wrote it.
std::optional<HttpResponse> refuse_model(const Service& service, std::string_view name);

}  // namespace gemvec::server
