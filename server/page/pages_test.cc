// What a browser, a health check and a reader of the OpenAPI document get.
#include "server/page/pages.h"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

#include "server/page/assets.h"

namespace gemvec::server {
namespace {

namespace json = boost::json;

// The pages ask for nothing but health.
class PagesService final : public Service {
 public:
  bool well = true;

  void embed(EmbedWork, std::function<void(EmbedAnswer)>) override { unexpected(); }
  const Tokenizer& tokenizer() const override { unexpected(); }
  const PromptSet& prompts() const override { unexpected(); }
  const ModelCard& card() const override { unexpected(); }
  const ServeOptions& options() const override { unexpected(); }
  Metrics& metrics() const override { unexpected(); }
  bool healthy() const override { return well; }

 private:
  [[noreturn]] static void unexpected() { throw std::logic_error("the pages asked for more than health"); }
};

class Pages : public ::testing::Test {
 protected:
  Pages() { add_pages(router, service); }

  HttpResponse get(const std::string& path, std::vector<Header> headers = {}) const {
    const Router::Match match = router.match("GET", path);
    if (match.handler == nullptr) {
      ADD_FAILURE() << "no route for " << path;
      return {.status = match.status};
    }
    EXPECT_EQ(match.access, Access::kPublic) << path;
    HttpRequest request;
    request.method = "GET";
    request.path = path;
    request.headers = std::move(headers);
    std::optional<HttpResponse> answer;
    (*match.handler)(std::make_shared<const HttpRequest>(std::move(request)), [&](HttpResponse response) {
      EXPECT_FALSE(answer) << path << " was answered twice";
      answer = std::move(response);
    });
    EXPECT_TRUE(answer) << path << " was not answered";
    return answer.value_or(HttpResponse{.status = 0});
  }

  PagesService service;
  Router router;
};

std::string header(const HttpResponse& response, std::string_view name) {
  for (const Header& each : response.headers) {
    if (each.name == name) return each.value;
  }
  return {};
}

json::object document() {
  for (const Asset& asset : assets()) {
    if (asset.name == "openapi.json") return json::parse(asset.body).as_object();
  }
  return {};
}

TEST_F(Pages, BrowsersGetThePageAndProgramsGetOllamasWords) {
  for (const char* accept :
       {"text/html", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "*/*, TEXT/HTML;q=0.5"}) {
    const HttpResponse page = get("/", {{"Accept", accept}});
    EXPECT_EQ(page.status, 200U);
    EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
    EXPECT_NE(page.body.find("<title>gemvec</title>"), std::string::npos);
    EXPECT_EQ(header(page, "vary"), "accept");
  }
  for (const char* accept : {"*/*", "application/json", "text/plain", ""}) {
    const HttpResponse words = get("/", {{"accept", accept}});
    EXPECT_EQ(words.status, 200U);
    EXPECT_EQ(words.content_type, "text/plain; charset=utf-8");
    EXPECT_EQ(words.body, "Ollama is running");
    EXPECT_EQ(header(words, "vary"), "accept");
  }
  EXPECT_EQ(get("/").body, "Ollama is running");
}

TEST_F(Pages, RootSaysThatTheModelHasFailedButStillServesThePage) {
  service.well = false;
  const HttpResponse answer = get("/");
  EXPECT_EQ(answer.status, 503U);
  EXPECT_EQ(answer.body, R"({"error":"unhealthy","error_type":"Unhealthy"})");
  EXPECT_EQ(header(answer, "vary"), "accept");
  EXPECT_EQ(get("/", {{"accept", "text/html"}}).status, 200U);
}

TEST_F(Pages, EveryFileIsServedWithItsTypeAndMayReachNothingElse) {
  const std::set<std::pair<std::string, std::string>> expected = {
      {"docs.html", "text/html; charset=utf-8"},
      {"docs.js", "text/javascript; charset=utf-8"},
      {"icon.svg", "image/svg+xml"},
      {"index.html", "text/html; charset=utf-8"},
      {"openapi.json", "application/json"},
      {"page.js", "text/javascript; charset=utf-8"},
      {"style.css", "text/css; charset=utf-8"},
      {"view.js", "text/javascript; charset=utf-8"},
  };
  EXPECT_EQ(assets().size(), expected.size());
  for (const auto& [name, type] : expected) {
    const HttpResponse file = get("/static/" + name);
    EXPECT_EQ(file.status, 200U) << name;
    EXPECT_EQ(file.content_type, type);
    EXPECT_FALSE(file.body.empty());
    EXPECT_EQ(header(file, "cache-control"), "no-cache");
    EXPECT_EQ(header(file, "x-content-type-options"), "nosniff");
    const std::string policy = header(file, "content-security-policy");
    EXPECT_TRUE(policy.starts_with("default-src 'none'; script-src 'self'; ")) << policy;
    EXPECT_EQ(policy.find("unsafe"), std::string::npos) << policy;
  }
}

TEST_F(Pages, OtherFilesAreNotFound) {
  for (const char* path :
       {"/static/missing.css", "/static/../pages.cc", "/static/style.css/", "/static//style.css"}) {
    const HttpResponse answer = get(path);
    EXPECT_EQ(answer.status, 404U) << path;
    EXPECT_EQ(answer.body, "");
  }
}

TEST_F(Pages, AFileThatTheClientHasIsNotSentAgain) {
  std::set<std::string> tags;
  for (const Asset& asset : assets()) {
    const std::string path = "/static/" + std::string(asset.name), tag = header(get(path), "etag");
    EXPECT_TRUE(tags.insert(tag).second) << "two files have the tag " << tag;
    for (const std::string& known : {tag, "W/" + tag, "\"other\", " + tag, std::string("*")}) {
      const HttpResponse answer = get(path, {{"If-None-Match", known}});
      EXPECT_EQ(answer.status, 304U) << known;
      EXPECT_EQ(answer.body, "");
      EXPECT_EQ(header(answer, "etag"), tag);
    }
    EXPECT_EQ(get(path, {{"If-None-Match", "\"0000000000000000\""}}).status, 200U);
  }
  const std::string tag = header(get("/", {{"accept", "text/html"}}), "etag");
  const HttpResponse page = get("/", {{"accept", "text/html"}, {"if-none-match", tag}});
  EXPECT_EQ(page.status, 304U);
  EXPECT_EQ(header(page, "vary"), "accept");
}

TEST_F(Pages, DocsAndTheDocumentAreServedUnderTheirPaths) {
  EXPECT_EQ(get("/docs").content_type, "text/html; charset=utf-8");
  EXPECT_EQ(get("/docs").body, get("/docs/").body);
  EXPECT_EQ(get("/api-doc/openapi.json").content_type, "application/json");
}

TEST_F(Pages, PagesNameNoOtherHostAndNoInlineCode) {
  std::size_t bytes = 0;
  for (const Asset& asset : assets()) {
    if (asset.name == "openapi.json") continue;
    bytes += asset.body.size();
    for (const std::string_view banned : {"https://", "style=", "onclick", "innerHTML", "eval("}) {
      EXPECT_EQ(asset.body.find(banned), std::string_view::npos) << asset.name << " has " << banned;
    }
  }
  EXPECT_LT(bytes, 60'000U);
}

// The routes of the whole server. One that is added there is added here and to the document.
TEST_F(Pages, TheDocumentHasExactlyTheRoutesOfTheServer) {
  const std::set<std::string> expected = {"GET /",
                                          "GET /api-doc/openapi.json",
                                          "GET /api/ps",
                                          "GET /api/tags",
                                          "GET /api/version",
                                          "GET /docs",
                                          "GET /docs/",
                                          "GET /health",
                                          "GET /info",
                                          "GET /metrics",
                                          "GET /ping",
                                          "GET /static/{file}",
                                          "GET /v1/models",
                                          "GET /v1/models/{model}",
                                          "POST /",
                                          "POST /api/embed",
                                          "POST /api/embeddings",
                                          "POST /api/pull",
                                          "POST /api/show",
                                          "POST /decode",
                                          "POST /detokenize",
                                          "POST /embed",
                                          "POST /embed_all",
                                          "POST /embed_sparse",
                                          "POST /embedding",
                                          "POST /embeddings",
                                          "POST /invocations",
                                          "POST /predict",
                                          "POST /rerank",
                                          "POST /similarity",
                                          "POST /tokenize",
                                          "POST /v1/embeddings",
                                          "POST /v2/embed",
                                          "POST /vertex"};
  const json::object api = document();
  std::set<std::string> documented;
  for (const auto& path : api.at("paths").as_object()) {
    for (const auto& operation : path.value().as_object()) {
      const std::string method = operation.key() == "get"    ? "GET"
                                 : operation.key() == "post" ? "POST"
                                                             : "other";
      documented.insert(method + " " + std::string(path.key()));
    }
  }
  EXPECT_EQ(documented, expected);
}

TEST_F(Pages, TheDocumentKnowsWhatEveryRouteMayAnswer) {
  const json::object api = document();
  EXPECT_TRUE(std::string(api.at("openapi").as_string()).starts_with("3.1"));
  std::set<std::string> ids;
  for (const auto& path : api.at("paths").as_object()) {
    for (const auto& [method, value] : path.value().as_object()) {
      const json::object& operation = value.as_object();
      const std::string id(operation.at("operationId").as_string());
      EXPECT_TRUE(ids.insert(id).second) << id;
      const json::object& responses = operation.at("responses").as_object();
      std::set<std::string> always = {"403", "500", "503"};
      if (method == "post") always.insert({"400", "401", "413"});
      for (const std::string& status : always) EXPECT_TRUE(responses.contains(status)) << id << " " << status;
      EXPECT_EQ(operation.contains("requestBody"), method == "post") << id;
      EXPECT_EQ(operation.contains("security"), responses.contains("401")) << id;
    }
  }
}

// Follows every {"$ref": "#/a/b"} below `value`.
void expect_references_lead_somewhere(const json::value& value, const json::value& root) {
  if (const auto* list = value.if_array()) {
    for (const json::value& element : *list) expect_references_lead_somewhere(element, root);
  }
  const auto* object = value.if_object();
  if (object == nullptr) return;
  for (const auto& [key, child] : *object) {
    if (key == "$ref") {
      const std::string target(child.as_string());
      boost::system::error_code error;
      EXPECT_NE(root.find_pointer(target.substr(1), error), nullptr) << target;
    }
    expect_references_lead_somewhere(child, root);
  }
}

TEST_F(Pages, TheDocumentsReferencesLeadSomewhere) {
  const json::value root = document();
  expect_references_lead_somewhere(root, root);
}

}  // namespace
}  // namespace gemvec::server
