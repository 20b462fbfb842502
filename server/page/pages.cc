#include "server/page/pages.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "server/page/assets.h"

namespace gemvec::server {
namespace {

constexpr std::string_view kStaticPrefix = "/static/";
// The pages load their own files and call their own server; nothing else is allowed to happen in them.
constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const Asset* find_asset(std::string_view name) {
  const auto all = assets();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Asset& a) { return a.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::string_view content_type(std::string_view name) {
  const std::string_view suffix = name.substr(std::min(name.rfind('.'), name.size()));
  if (suffix == ".html") return "text/html; charset=utf-8";
  if (suffix == ".css") return "text/css; charset=utf-8";
  if (suffix == ".js") return "text/javascript; charset=utf-8";
  if (suffix == ".svg") return "image/svg+xml";
  return "application/json";
}

// The whole file, or 304 if the client has it. Names carry no version, so clients ask every time and mostly
// hear 304.
HttpResponse file_response(const HttpRequest& request, const Asset& asset) {
  HttpResponse response;
  response.headers = {{"etag", std::string(asset.etag)},
                      {"cache-control", "no-cache"},
                      {"x-content-type-options", "nosniff"},
                      {"referrer-policy", "no-referrer"},
                      {"content-security-policy", std::string(kContentSecurityPolicy)}};
  const std::string_view known = request.header("if-none-match");
  if (known == "*" || known.find(asset.etag) != std::string_view::npos) {
    response.status = 304;
    return response;
  }
  response.content_type = content_type(asset.name);
  response.body = asset.body;
  return response;
}

HttpResponse named_file(const HttpRequest& request, std::string_view name) {
  const Asset* const asset = find_asset(name);
  if (asset == nullptr) return {.status = 404};
  return file_response(request, *asset);
}

bool wants_html(const HttpRequest& request) {
  constexpr std::string_view html = "text/html";
  const std::string_view accept = request.header("accept");
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; };
  return std::search(accept.begin(), accept.end(), html.begin(), html.end(), same) != accept.end();
}

// The page for people. Programs ask here whether the server is well, and Ollama's clients look for the words.
HttpResponse root(const HttpRequest& request, const Service& service) {
  HttpResponse response;
  if (wants_html(request)) {
    response = named_file(request, "index.html");
  } else if (service.healthy()) {
    response.content_type = "text/plain; charset=utf-8";
    response.body = "Ollama is running";
  } else {
    response.status = 503;
    response.content_type = "application/json";
    response.body = R"({"error":"unhealthy","error_type":"Unhealthy"})";
  }
  response.headers.push_back({"vary", "accept"});
  return response;
}

}  // namespace

void add_pages(Router& router, Service& service) {
  const auto file = [&router](std::string_view path, std::string_view name) {
    router.add("GET", path, Access::kPublic,
               [name](const std::shared_ptr<const HttpRequest>& request, const Respond& respond) {
                 respond(named_file(*request, name));
               });
  };
  router.add("GET", "/", Access::kPublic,
             [&service](const std::shared_ptr<const HttpRequest>& request, const Respond& respond) {
               respond(root(*request, service));
             });
  file("/docs", "docs.html");
  file("/docs/", "docs.html");
  file("/api-doc/openapi.json", "openapi.json");
  router.add("GET", "/static/*", Access::kPublic,
             [](const std::shared_ptr<const HttpRequest>& request, const Respond& respond) {
               const std::string_view path = request->path;
               respond(named_file(*request, path.substr(std::min(kStaticPrefix.size(), path.size()))));
             });
}

}  // namespace gemvec::server
