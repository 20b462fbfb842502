// Ollama's routes.
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "server/api/model_name.h"
#include "server/api/service_testing.h"

namespace gemvec::server {
namespace {

using testing::ApiClient;
using testing::floats;

TEST(Ollama, EmbedGivesVectorsAndEchoesTheModel) {
  ApiClient client;
  const auto answer =
      client.ok("/api/embed",
                R"({"model":"embeddinggemma","input":["a",""],"options":{"num_ctx":1},"keep_alive":"5m"})");
  EXPECT_EQ(answer.at("model").as_string(), "embeddinggemma");
  const auto& rows = answer.at("embeddings").as_array();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(floats(rows[0]), client.service.vector_of("a"));
  EXPECT_EQ(floats(rows[1]), client.service.vector_of("2 1 "));  // BOS and EOS: the empty text
  EXPECT_GT(answer.at("total_duration").to_number<std::int64_t>(), 0);
  EXPECT_EQ(answer.at("prompt_eval_count").to_number<std::size_t>(),
            client.service.tokenizer().encode("a")->ids.size() + 2);
  const auto cut = client.ok("/api/embed", R"({"model":"embeddinggemma","input":"a","dimensions":128})");
  EXPECT_EQ(floats(cut.at("embeddings").at(0)), client.service.vector_of("a", 128));
  for (const std::string_view all : {"0", "-1", "768", "5000", "null"}) {
    const auto full = client.ok(
        "/api/embed", R"({"model":"embeddinggemma","input":"a","dimensions":)" + std::string(all) + "}");
    EXPECT_EQ(full.at("embeddings").at(0).as_array().size(), 768U) << all;
  }
}

TEST(Ollama, NoInputLoadsTheModel) {
  ApiClient client;
  for (const std::string_view input : {"", R"(,"input":null)", R"(,"input":"")", R"(,"input":[])"}) {
    const HttpResponse response =
        client.post("/api/embed", R"({"model":"embeddinggemma:300m")" + std::string(input) + "}", "");
    EXPECT_EQ(response.status, 200U);
    EXPECT_TRUE(response.body.starts_with(R"({"model":"embeddinggemma:300m","embeddings":[],)"))
        << response.body;
  }
  EXPECT_EQ(client.post("/api/embeddings", R"({"model":"embeddinggemma"})").body, R"({"embedding":[]})");
}

TEST(Ollama, ALongListGoesInPieces) {
  ApiClient client;
  std::string list = "[\"t0\"";
  for (int i = 1; i < 20'000; ++i) list += ",\"t" + std::to_string(i) + "\"";
  list += "]";
  for (const bool elsewhere : {false, true}) {
    client.service.from_another_thread = elsewhere;
    client.service.seen.clear();
    const auto answer =
        client.ok("/api/embed", R"({"model":"embeddinggemma","dimensions":2,"input":)" + list + "}");
    const auto& rows = answer.at("embeddings").as_array();
    ASSERT_EQ(rows.size(), 20'000U);
    EXPECT_EQ(floats(rows[19'999]), client.service.vector_of("t19999", 2));
    EXPECT_EQ(client.service.seen.size(), 625U);
  }
}

TEST(Ollama, LegacyRouteGivesOneVector) {
  ApiClient client;
  const auto answer = client.ok("/api/embeddings", R"({"model":"embeddinggemma:latest","prompt":"a"})");
  EXPECT_EQ(floats(answer.at("embedding")), client.service.vector_of("a"));
}

TEST(Ollama, Errors) {
  ApiClient client;
  client.service.card_.max_tokens = 4;
  struct Case {
    std::string_view path, body;
    unsigned status;
    std::string_view answer;
  };
  for (const Case& each : std::initializer_list<Case>{
           {"/api/embed", "", 400, R"({"error":"missing request body"})"},
           {"/api/embed", "{", 400, R"({"error":"EOF while parsing a value at line 1 column 1"})"},
           {"/api/embed", R"({"model":"embeddinggemma","input":[1,2]})", 400,
            R"({"error":"invalid input type"})"},
           {"/api/embed", R"({"model":"embeddinggemma","input":7})", 400,
            R"({"error":"invalid input type"})"},
           {"/api/embed", R"({"model":"llama3","input":"a"})", 404,
            R"({"error":"model \"llama3\" not found, try pulling it first"})"},
           {"/api/embed", R"({"input":"a"})", 404, R"({"error":"model '' not found"})"},
           {"/api/embed", R"({"model":"embeddinggemma","input":"a b c a b c","truncate":false})", 400,
            R"({"error":"the input length exceeds the context length"})"},
           {"/api/embeddings", R"({"prompt":"a"})", 400, R"({"error":"model is required"})"},
           {"/api/show", R"({"model":"x"})", 404, R"({"error":"model 'x' not found"})"},
           {"/api/pull", R"({"model":"x","stream":false})", 500,
            R"({"error":"pull model manifest: file does not exist"})"},
       }) {
    const HttpResponse response = client.post(each.path, each.body);
    EXPECT_EQ(response.status, each.status) << each.body;
    EXPECT_EQ(response.body, each.answer) << each.body;
  }
  client.service.next_error = ServiceError{Fault::kOverloaded, "", 0, {}};
  const HttpResponse busy = client.post("/api/embed", R"({"model":"embeddinggemma","input":"a"})");
  EXPECT_EQ(busy.status, 503U);
  EXPECT_EQ(testing::header_of(busy, "retry-after"), "1");
}

TEST(Ollama, TellsAboutItsModel) {
  ApiClient client;
  const auto tags = boost::json::parse(client.get("/api/tags").body).at("models").at(0);
  EXPECT_EQ(tags.at("model").as_string(), "google/embeddinggemma-300m:latest");
  EXPECT_EQ(tags.at("modified_at").as_string(), "2023-11-14T22:13:20Z");
  EXPECT_EQ(tags.at("details").at("quantization_level").as_string(), "Q8");
  const auto ps = boost::json::parse(client.get("/api/ps").body).at("models").at(0);
  EXPECT_EQ(ps.at("digest").as_string().size(), 64U);
  const auto show = client.ok("/api/show", R"({"model":"embeddinggemma"})");
  EXPECT_EQ(show.at("model_info").at("gemma3.embedding_length").as_int64(), 768);
  EXPECT_EQ(show.at("capabilities").at(0).as_string(), "embedding");
  EXPECT_TRUE(boost::json::parse(client.get("/api/version").body).at("version").is_string());
  EXPECT_EQ(client.post("/api/pull", R"({"name":"embeddinggemma","stream":false})").body,
            R"({"status":"success"})");
  const HttpResponse stream = client.post("/api/pull", R"({"model":"embeddinggemma"})");
  EXPECT_EQ(stream.content_type, "application/x-ndjson");
  EXPECT_TRUE(stream.body.ends_with("{\"status\":\"success\"}\n"));
}

TEST(ModelName, IsTheServedOneOrOllamas) {
  ModelCard card;
  card.id = "/models/gemma";
  card.name = "org/mine:q8";
  for (const std::string_view name : {"org/mine:q8", "mine:q8", "mine:q8:latest", "gemma", "gemma:latest",
                                      "embeddinggemma", "embeddinggemma:300m", "embeddinggemma:latest"})
    EXPECT_TRUE(is_model_name(card, name)) << name;
  for (const std::string_view name : {"", "mine", "org", "embeddinggemma-2", ":latest", "Gemma"})
    EXPECT_FALSE(is_model_name(card, name)) << name;
}

}  // namespace
}  // namespace gemvec::server
