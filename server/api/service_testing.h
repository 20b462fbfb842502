// A service without a model, and a client of the API's handlers without HTTP.
#pragma once

#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/router.h"
#include "server/service.h"

namespace gemvec::server::testing {

// Vectors made of the bytes of prompt and text, or of the ids: equal ones for equal inputs, by any API.
class FakeService : public Service {
 public:
  FakeService();

  void embed(EmbedWork work, std::function<void(EmbedAnswer)> done) override;
  [[nodiscard]] const Tokenizer& tokenizer() const override { return *tokenizer_; }
  [[nodiscard]] const PromptSet& prompts() const override { return prompts_; }
  [[nodiscard]] const ModelCard& card() const override { return card_; }
  [[nodiscard]] const ServeOptions& options() const override { return options_; }
  [[nodiscard]] Metrics& metrics() const override { return *metrics_; }
  [[nodiscard]] bool healthy() const override { return healthy_; }

  // What embed() gives for one input, all of it.
  [[nodiscard]] std::vector<float> vector_of(const std::string& text_with_prompt, std::size_t dimensions = 0,
                                             bool normalize = true) const;

  std::optional<ServiceError> next_error;  // instead of the next answer
  bool from_another_thread = false;        // where `done` is called
  std::vector<EmbedWork> seen;

  ModelCard card_;
  ServeOptions options_;
  bool healthy_ = true;

 private:
  [[nodiscard]] EmbedAnswer answer(const EmbedWork& work) const;
  [[nodiscard]] EmbeddedItem item_of(const EmbedWork& work, const Input& input, std::string& wrong) const;

  std::unique_ptr<Tokenizer> tokenizer_;
  PromptSet prompts_ = PromptSet::builtin();
  std::unique_ptr<Metrics> metrics_;
};

// What the metrics were told since the last call: "request batch", "failure validation", "ignored /embed x".
std::vector<std::string> take_metrics();

// All APIs over one fake service.
class ApiClient {
 public:
  ApiClient();

  HttpResponse post(std::string_view path, std::string_view body,
                    std::string_view content_type = "application/json");
  HttpResponse get(std::string_view path);
  // The body of a POST that must be answered with 200 and JSON.
  boost::json::value ok(std::string_view path, std::string_view body);

  FakeService service;
  Router router;

 private:
  HttpResponse send(HttpRequest request);
};

// The numbers of a JSON list.
std::vector<float> floats(const boost::json::value& list);
// "" if there is no such header.
std::string header_of(const HttpResponse& response, std::string_view name);

}  // namespace gemvec::server::testing
