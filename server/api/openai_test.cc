// OpenAI's routes, and what they share with text-embeddings-inference's.
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "server/api/service_testing.h"
#include "support/base64.h"

namespace gemvec::server {
namespace {

using testing::ApiClient;
using testing::floats;
using testing::take_metrics;

TEST(OpenAi, AnswersHaveVectorsModelAndUsage) {
  ApiClient client;
  for (const std::string_view path : {"/v1/embeddings", "/embeddings"}) {
    const auto answer = client.ok(path, R"({"model":"m","input":["a","b"],"user":"u"})").as_object();
    EXPECT_EQ(answer.at("object").as_string(), "list");
    EXPECT_EQ(answer.at("model").as_string(), "google/embeddinggemma-300m");
    const auto& data = answer.at("data").as_array();
    ASSERT_EQ(data.size(), 2U);
    EXPECT_EQ(data[1].at("object").as_string(), "embedding");
    EXPECT_EQ(data[1].at("index").as_int64(), 1);
    EXPECT_EQ(floats(data[1].at("embedding")), client.service.vector_of("b"));
    const auto tokens = 2 * client.service.tokenizer().encode("a")->ids.size();
    EXPECT_EQ(answer.at("usage").at("prompt_tokens").to_number<std::size_t>(), tokens);
    EXPECT_EQ(answer.at("usage").at("total_tokens").to_number<std::size_t>(), tokens);
    EXPECT_TRUE(take_metrics().size() == 3);
  }
}

TEST(OpenAi, EveryFormOfInputAndOfVector) {
  ApiClient client;
  const auto one = [&](std::string_view fields) {
    return client.ok("/v1/embeddings", "{\"model\":\"m\"," + std::string(fields) + "}").at("data").as_array();
  };
  EXPECT_EQ(one(R"("input":"a")").size(), 1U);
  EXPECT_EQ(floats(one(R"("input":[2,818,1])").at(0).at("embedding")), client.service.vector_of("2 818 1 "));
  EXPECT_EQ(one(R"("input":[[2,818,1],[2,1]])").size(), 2U);
  EXPECT_EQ(floats(one(R"("input":[{"text":"a"}])").at(0).at("embedding")), client.service.vector_of("a"));
  EXPECT_EQ(floats(one(R"("input":"a","dimensions":256)").at(0).at("embedding")),
            client.service.vector_of("a", 256));
  const auto base64 = one(R"("input":"a","encoding_format":"base64")").at(0).at("embedding");
  EXPECT_EQ(gemvec::testing::floats_of_base64(std::string_view(base64.as_string())),
            client.service.vector_of("a"));
  EXPECT_EQ(one(R"("input":"a","encoding_format":"int8")").at(0).at("embedding").as_array().size(), 768U);
  EXPECT_EQ(one(R"("input":"a","encoding_format":"binary")").at(0).at("embedding").as_array().size(), 96U);
}

TEST(OpenAi, TasksOfGemvecAndOfJina) {
  ApiClient client;
  const auto prefix = [&](std::string_view fields) {
    client.ok("/v1/embeddings", R"({"input":"a",)" + std::string(fields) + "}");
    return client.service.seen.back().prefix;
  };
  EXPECT_EQ(prefix(R"("task":"retrieval.query")"), "task: search result | query: ");
  EXPECT_EQ(prefix(R"("task":"retrieval.passage","title":"T")"), "title: T | text: ");
  EXPECT_EQ(prefix(R"("task":"text-matching")"), "task: sentence similarity | query: ");
  EXPECT_EQ(prefix(R"("task":"separation")"), "task: clustering | query: ");
  EXPECT_EQ(prefix(R"("task":"classification")"), "task: classification | query: ");
  EXPECT_EQ(prefix(R"("prompt_name":"document")"), "title: none | text: ");
  EXPECT_EQ(prefix(R"("truncate":false,"truncation_direction":"left")"), "");
  EXPECT_FALSE(client.service.seen.back().truncate);
  EXPECT_EQ(client.service.seen.back().direction, Truncate::kLeft);
}

TEST(OpenAi, FieldsOfJina) {
  ApiClient client;
  const auto vector = [&](std::string_view fields) {
    const auto answer = client.ok("/v1/embeddings", R"({"input":"a",)" + std::string(fields) + "}");
    return answer.at("data").as_array().at(0).at("embedding");
  };
  for (const std::string_view binary :
       {R"("embedding_type":"binary")", R"("embedding_type":["binary"],"encoding_format":"base64")"})
    EXPECT_EQ(vector(binary).as_array().size(), 96U) << binary;
  EXPECT_EQ(floats(vector(R"("embedding_type":null,"late_chunking":false,"normalized":null)")),
            client.service.vector_of("a"));
  EXPECT_EQ(floats(vector(R"("normalized":false)")), client.service.vector_of("a", 0, false));
  for (const std::string& entry : take_metrics()) EXPECT_FALSE(entry.starts_with("ignored")) << entry;
  for (const std::string_view refused :
       {R"("late_chunking":true)", R"("embedding_type":["float","binary"])", R"("embedding_type":"hex")",
        R"("embedding_type":[])", R"("normalized":1)"}) {
    const HttpResponse response =
        client.post("/v1/embeddings", R"({"input":"a",)" + std::string(refused) + "}");
    EXPECT_EQ(response.status, 422U) << refused;
    EXPECT_NE(response.body.find(refused.substr(1, refused.find(':') - 2)), std::string::npos)
        << response.body;
  }
}

TEST(OpenAi, ErrorsSuitBothKindsOfClients) {
  ApiClient client;
  const auto error = [&](std::string_view body, std::string_view type = "application/json") {
    const HttpResponse response = client.post("/v1/embeddings", body, type);
    auto json = boost::json::parse(response.body).as_object();
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_EQ(json.at("code").as_int64(), static_cast<int>(response.status));
    EXPECT_EQ(json.at("message"), json.at("error").at("message"));
    return json;
  };
  const HttpResponse empty = client.post("/v1/embeddings", R"({"input":""})");
  EXPECT_EQ(empty.status, 400U);
  EXPECT_EQ(
      empty.body,
      R"({"error":{"message":"Input validation error: `inputs` cannot be empty","type":"invalid_request_error",)"
      R"("param":null,"code":null},"message":"Input validation error: `inputs` cannot be empty","code":400,)"
      R"("type":"Empty"})");
  EXPECT_EQ(error(R"({"input":[]})").at("type").as_string(), "Empty");
  EXPECT_EQ(error(R"({"input":"a","dimensions":769})").at("type").as_string(), "Validation");
  EXPECT_EQ(error(R"({"input":"a","dimensions":0})").at("code").as_int64(), 422);
  EXPECT_EQ(error(R"({"input":"a","encoding_format":"BASE64"})").at("code").as_int64(), 422);
  EXPECT_EQ(error(R"({"input":"a","encoding_format":null})").at("code").as_int64(), 422);
  EXPECT_EQ(
      error("{}").at("message").as_string(),
      "Failed to deserialize the JSON body into the target type: missing field `input` at line 1 column 2");
  EXPECT_EQ(error("{").at("code").as_int64(), 400);
  EXPECT_EQ(error("{}", "text/plain").at("code").as_int64(), 415);
  client.service.next_error = ServiceError{Fault::kOverloaded, "", 0, std::chrono::seconds(2)};
  const auto overloaded = error(R"({"input":"a"})");
  EXPECT_EQ(overloaded.at("error").at("code").as_string(), "rate_limit_exceeded");
  EXPECT_EQ(overloaded.at("message").as_string(), "Model is overloaded");
}

TEST(OpenAi, ModelsAreListed) {
  ApiClient client;
  const std::string model =
      R"({"id":"google/embeddinggemma-300m","object":"model","created":1700000000,"owned_by":"gemvec"})";
  EXPECT_EQ(client.get("/v1/models").body, R"({"object":"list","data":[)" + model + "]}");
  EXPECT_EQ(client.get("/v1/models/google/embeddinggemma-300m").body, model);
  EXPECT_EQ(client.get("/v1/models/embeddinggemma-300m").body, model);
  const HttpResponse other = client.get("/v1/models/gpt");
  EXPECT_EQ(other.status, 404U);
  EXPECT_EQ(boost::json::parse(other.body).at("error").at("code").as_string(), "model_not_found");
}

}  // namespace
}  // namespace gemvec::server
