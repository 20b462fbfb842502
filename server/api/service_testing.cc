#include "server/api/service_testing.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <random>
#include <stdexcept>
#include <thread>

#include "server/api/apis.h"
#include "support/tiny_tokenizer.h"

namespace gemvec::server {

namespace {

std::mutex log_mutex;
std::vector<std::string> metrics_log;

void note(std::string entry) {
  const std::scoped_lock lock(log_mutex);
  metrics_log.push_back(std::move(entry));
}

}  // namespace

// The real ones keep their numbers in a library; these tell the tests what they were told.
struct Metrics::Impl {};
Metrics::Metrics(std::size_t /*max_input_tokens*/) {}
Metrics::~Metrics() = default;
void Metrics::request(bool batch) { note(batch ? "request batch" : "request single"); }
void Metrics::request_success(bool batch) { note(batch ? "success batch" : "success single"); }
void Metrics::request_failure(std::string_view err) { note("failure " + std::string(err)); }
void Metrics::request_durations(const Durations& /*durations*/) { note("durations"); }
void Metrics::ignored_field(std::string_view route, std::string_view field) {
  note(fmt::format("ignored {} {}", route, field));
}
std::string Metrics::text() const { return "te_request_count 1\n"; }

namespace testing {

namespace {

constexpr std::size_t kVocabulary = 640;

std::uint32_t hash_of(std::string_view text) {
  std::uint32_t hash = 2166136261U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

std::vector<float> make_values(std::string_view key, std::size_t count) {
  std::mt19937 random(hash_of(key));
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random() % 20001U) / 10000.0F - 1.0F;
  return values;
}

}  // namespace

FakeService::FakeService() : metrics_(std::make_unique<Metrics>(kMaxTokens)) {
  auto made = Tokenizer::from_json(boost::json::serialize(gemvec::testing::make_tiny_tokenizer(kVocabulary)));
  tokenizer_ = std::make_unique<Tokenizer>(std::move(made).value());
  card_.id = "google/embeddinggemma-300m";
  card_.name = "google/embeddinggemma-300m";
  card_.dtype = "q8";
  card_.sha256 = std::string(64, 'a');
  card_.bytes = 300'000'000;
  card_.created = 1'700'000'000;
  options_.http.workers = 3;
  options_.served_model_name = card_.name;
}

std::vector<float> FakeService::vector_of(const std::string& text, std::size_t dimensions,
                                          bool normalize) const {
  std::vector<float> values = make_values(text, card_.width);
  if (dimensions != 0) values.resize(dimensions);
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  const auto scale = static_cast<float>(1.0 / std::sqrt(sum));
  for (float& value : values) value *= normalize ? scale : 1.0F;
  return values;
}

EmbeddedItem FakeService::item_of(const EmbedWork& work, const Input& input, std::string& wrong) const {
  EmbeddedItem item;
  std::string key;
  if (const auto* text = std::get_if<std::string>(&input)) {
    key = work.prefix + *text;
    item.tokens = tokenizer_->encode(key)->total_tokens;
    if (text->empty()) wrong = "`inputs` cannot be empty";
  } else {
    const auto& ids = std::get<std::vector<std::int32_t>>(input);
    for (const std::int32_t id : ids) key += fmt::format("{} ", id);
    item.tokens = ids.size();
    if (ids.empty()) wrong = "`inputs` cannot be empty";
  }
  item.characters = key.size() - (input.index() == 0 ? work.prefix.size() : 0);
  item.values = work.tokens ? make_values(key, item.tokens * card_.width)
                            : vector_of(key, work.dimensions, work.normalize);
  return item;
}

EmbedAnswer FakeService::answer(const EmbedWork& work) const {
  std::vector<EmbeddedItem> items;
  for (const Input& input : work.inputs) {
    std::string wrong;
    items.push_back(item_of(work, input, wrong));
    if (!wrong.empty()) return ServiceError{Fault::kEmpty, wrong, items.size() - 1, {}};
    const std::size_t tokens = items.back().tokens;
    if (!work.truncate && tokens > card_.max_tokens) {
      return ServiceError{
          Fault::kValidation,
          fmt::format("`inputs` must have less than {} tokens. Given: {}", card_.max_tokens, tokens),
          items.size() - 1,
          {},
          card_.max_tokens,
          tokens};
    }
  }
  return items;
}

void FakeService::embed(EmbedWork work, std::function<void(EmbedAnswer)> done) {
  EmbedAnswer result = answer(work);
  if (work.cancellation == nullptr) throw std::logic_error("a work has no cancellation");
  if (next_error) result = *next_error;
  next_error.reset();
  seen.push_back(std::move(work));
  if (!from_another_thread) return done(std::move(result));
  std::thread([done = std::move(done), result = std::move(result)]() mutable {
    done(std::move(result));
  }).detach();
}

std::vector<std::string> take_metrics() {
  const std::scoped_lock lock(log_mutex);
  return std::exchange(metrics_log, {});
}

ApiClient::ApiClient() {
  take_metrics();
  add_tei(router, service);
  add_openai(router, service);
  add_ollama(router, service);
  add_cohere(router, service);
  add_llama(router, service);
  add_operations(router, service);
}

HttpResponse ApiClient::send(HttpRequest request) {
  request.id = "id-1";
  request.received = std::chrono::steady_clock::now();
  const Router::Match match = router.match(request.method, request.path);
  if (match.handler == nullptr) return {match.status, "", "", {{"allow", match.allow}}};
  struct State {
    std::mutex mutex;
    std::condition_variable answered;
    std::vector<HttpResponse> responses;
  };
  const auto state = std::make_shared<State>();
  (*match.handler)(std::make_shared<const HttpRequest>(std::move(request)), [state](HttpResponse response) {
    const std::scoped_lock lock(state->mutex);
    state->responses.push_back(std::move(response));
    state->answered.notify_one();
  });
  std::unique_lock lock(state->mutex);
  state->answered.wait_for(lock, std::chrono::seconds(20), [&] { return !state->responses.empty(); });
  if (state->responses.size() != 1) throw std::logic_error("a handler answers exactly once");
  return state->responses.front();
}

HttpResponse ApiClient::post(std::string_view path, std::string_view body, std::string_view content_type) {
  HttpRequest request;
  request.method = "POST";
  request.path = path;
  request.body = body;
  if (!content_type.empty()) request.headers.push_back({"Content-Type", std::string(content_type)});
  return send(std::move(request));
}

HttpResponse ApiClient::get(std::string_view path) {
  HttpRequest request;
  request.method = "GET";
  request.path = path;
  return send(std::move(request));
}

boost::json::value ApiClient::ok(std::string_view path, std::string_view body) {
  const HttpResponse response = post(path, body);
  if (response.status != 200) throw std::logic_error(fmt::format("{}: {}", response.status, response.body));
  return boost::json::parse(response.body);
}

std::vector<float> floats(const boost::json::value& list) {
  std::vector<float> out;
  for (const boost::json::value& number : list.as_array()) out.push_back(number.to_number<float>());
  return out;
}

std::string header_of(const HttpResponse& response, std::string_view name) {
  for (const Header& header : response.headers) {
    if (header.name == name) return header.value;
  }
  return {};
}

}  // namespace testing
}  // namespace gemvec::server
