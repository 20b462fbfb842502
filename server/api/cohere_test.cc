// Cohere's and llama-server's routes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>

#include "server/api/service_testing.h"
#include "support/base64.h"

namespace gemvec::server {
namespace {

using testing::ApiClient;
using testing::floats;

TEST(Cohere, EveryTypeOfEmbedding) {
  ApiClient client;
  const auto answer =
      client.ok("/v2/embed",
                R"({"model":"m","texts":["a","b"],"input_type":"search_query","output_dimension":128,
          "embedding_types":["float","int8","uint8","binary","ubinary","base64","float"]})");
  EXPECT_EQ(answer.at("id").as_string(), "id-1");
  EXPECT_EQ(answer.at("texts").at(1).as_string(), "b");
  EXPECT_EQ(answer.at("meta").at("api_version").at("version").as_string(), "2");
  EXPECT_GT(answer.at("meta").at("billed_units").at("input_tokens").as_int64(), 0);
  const auto expected = client.service.vector_of("task: search result | query: b", 128);
  const auto& by_type = answer.at("embeddings");
  EXPECT_EQ(by_type.as_object().size(), 6U);
  EXPECT_EQ(floats(by_type.at("float").at(1)), expected);
  EXPECT_EQ(gemvec::testing::floats_of_base64(std::string_view(by_type.at("base64").at(1).as_string())),
            expected);
  const auto codes = floats(by_type.at("int8").at(1));
  double dot = 0, size = 0;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    dot += static_cast<double>(codes[i]) * expected[i];
    size += static_cast<double>(codes[i]) * codes[i];
  }
  EXPECT_GT(dot / std::sqrt(size), 0.9999);
  EXPECT_EQ(by_type.at("ubinary").at(1).as_array().size(), 16U);
  EXPECT_EQ(by_type.at("binary").at(1).at(0).as_int64() + 128, by_type.at("ubinary").at(1).at(0).as_int64());
}

TEST(Cohere, InputTypesArePromptsAndTruncateIsADirection) {
  ApiClient client;
  const auto seen = [&](std::string_view fields) -> const EmbedWork& {
    client.ok("/v2/embed", R"({"model":"m","texts":["a"],)" + std::string(fields) + "}");
    return client.service.seen.back();
  };
  EXPECT_EQ(seen(R"("input_type":"search_document")").prefix, "title: none | text: ");
  EXPECT_EQ(seen(R"("input_type":"search_document","title":"T")").prefix, "title: T | text: ");
  EXPECT_EQ(seen(R"("input_type":"classification")").prefix, "task: classification | query: ");
  EXPECT_EQ(seen(R"("input_type":"clustering")").prefix, "task: clustering | query: ");
  EXPECT_EQ(seen(R"("task":"code retrieval")").prefix, "task: code retrieval | query: ");
  EXPECT_FALSE(seen(R"("input_type":"clustering","truncate":"NONE")").truncate);
  EXPECT_EQ(seen(R"("input_type":"clustering","truncate":"START")").direction, Truncate::kLeft);
  EXPECT_EQ(seen(R"("input_type":"clustering","truncate":"END")").direction, Truncate::kRight);
  client.ok(
      "/v2/embed",
      R"({"input_type":"clustering","inputs":[{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]})");
  EXPECT_EQ(std::get<std::string>(client.service.seen.back().inputs.at(0)), "ab");
}

TEST(Cohere, TakesNinetySixTextsAndNoMore) {
  ApiClient client;
  const auto request = [](std::size_t count) {
    std::string texts = "\"a\"";
    for (std::size_t i = 1; i < count; ++i) texts += ",\"a\"";
    return R"({"model":"m","input_type":"search_query","texts":[)" + texts + "]}";
  };
  EXPECT_EQ(client.ok("/v2/embed", request(96)).at("embeddings").at("float").as_array().size(), 96U);
  EXPECT_EQ(client.post("/v2/embed", request(97)).status, 400U);
}

TEST(Cohere, Errors) {
  ApiClient client;
  for (const std::string_view body :
       {"", "{", "[]", R"({"texts":["a"]})", R"({"texts":[],"input_type":"search_query"})",
        R"({"texts":["a"],"input_type":"x"})", R"({"texts":[1],"input_type":"search_query"})",
        R"({"texts":["a"],"input_type":"search_query","truncate":"MIDDLE"})",
        R"({"texts":["a"],"input_type":"search_query","embedding_types":["int4"]})",
        R"({"texts":["a"],"input_type":"search_query","output_dimension":769})",
        R"({"texts":[""],"input_type":"search_query"})", R"({"input_type":"image","images":["x"]})"}) {
    const HttpResponse response = client.post("/v2/embed", body);
    EXPECT_EQ(response.status, 400U) << body;
    const auto json = boost::json::parse(response.body);
    EXPECT_EQ(json.at("id").as_string(), "id-1");
    EXPECT_FALSE(json.at("message").as_string().empty());
  }
  client.service.next_error = ServiceError{Fault::kOverloaded, "", 0, {}};
  EXPECT_EQ(client.post("/v2/embed", R"({"texts":["a"],"input_type":"search_query"})").status, 429U);
}

TEST(Llama, EmbeddingHasARowForEachInput) {
  ApiClient client;
  const auto answer =
      client.ok("/embedding", R"({"content":["a",{"prompt_string":"b"},[2,5,1],[7,"a"]]})").as_array();
  ASSERT_EQ(answer.size(), 4U);
  EXPECT_EQ(answer[1].at("index").as_int64(), 1);
  EXPECT_EQ(floats(answer[1].at("embedding").at(0)), client.service.vector_of("b"));
  EXPECT_EQ(floats(answer[2].at("embedding").at(0)), client.service.vector_of("2 5 1 "));
  EXPECT_EQ(client.ok("/embedding", R"({"input":"a"})").as_array().size(), 1U);
  EXPECT_EQ(client.ok("/embedding", R"({"input":[2,5]})").as_array().size(), 1U);
  EXPECT_EQ(client.ok("/embedding", R"({"input":["a",5]})").as_array().size(), 1U);
}

TEST(Llama, VectorsCanHaveOtherNorms) {
  ApiClient client;
  const auto vector = [&](int norm) {
    return floats(client.ok("/embedding", fmt::format(R"({{"content":"a","embd_normalize":{}}})", norm))
                      .at(0)
                      .at("embedding")
                      .at(0));
  };
  EXPECT_EQ(vector(-1), client.service.vector_of("a", 0, false));
  EXPECT_EQ(vector(2), client.service.vector_of("a"));
  double sum = 0, largest = 0;
  for (const float v : vector(1)) sum += std::fabs(v);
  for (const float v : vector(0)) largest = std::max(largest, std::fabs(static_cast<double>(v)));
  EXPECT_NEAR(sum, 1, 1e-5);
  EXPECT_NEAR(largest, 32760, 0.01);
}

TEST(Llama, TokenizeAndDetokenizeAreInverse) {
  ApiClient client;
  const auto tokens = client.ok("/tokenize", R"({"content":"the task and ÿ"})").at("tokens");
  EXPECT_EQ(client.post("/detokenize", R"({"tokens":)" + boost::json::serialize(tokens) + "}").body,
            R"({"content":"the task and ÿ"})");
  EXPECT_EQ(client.ok("/tokenize", R"({"content":"","add_special":true})").at("tokens").as_array().size(),
            2U);
  const auto pieces =
      client.ok("/tokenize", R"({"content":"a ÿ","with_pieces":true})").at("tokens").as_array();
  EXPECT_EQ(pieces[0].at("piece").as_string(), "a");
  EXPECT_EQ(pieces.back().at("piece").at(0).as_int64(), 0xBF);
  EXPECT_EQ(client.post("/tokenize", R"({"content":5})").status, 400U);
  EXPECT_EQ(client.post("/detokenize", R"({"tokens":["a"]})").status, 400U);
}

TEST(Llama, Errors) {
  ApiClient client;
  client.service.card_.max_tokens = 4;
  const auto error = [&](std::string_view body) {
    const HttpResponse response = client.post("/embedding", body);
    auto json = boost::json::parse(response.body).at("error").as_object();
    EXPECT_EQ(json.at("code").as_int64(), static_cast<int>(response.status));
    return json;
  };
  EXPECT_EQ(error("{}").at("message").as_string(), "\"input\" or \"content\" must be provided");
  EXPECT_EQ(error(R"({"content":""})").at("message").as_string(), "Input content cannot be empty");
  EXPECT_EQ(error(R"({"content":[]})").at("message").as_string(), "Input content cannot be empty");
  EXPECT_EQ(error(R"({"content":true})").at("type").as_string(), "invalid_request_error");
  EXPECT_EQ(error(R"({"content":"a","encoding_format":"x"})").at("code").as_int64(), 400);
  for (const std::string_view prompt : {R"("task":"x")", R"("title":"x")", R"("prompt_name":"x")"}) {
    const auto unknown = error(R"({"content":"a",)" + std::string(prompt) + "}");
    EXPECT_EQ(unknown.at("type").as_string(), "invalid_request_error");
    EXPECT_EQ(unknown.at("code").as_int64(), 400);
  }
  const auto too_long = error(R"({"content":"a b c a b c"})");
  const std::size_t tokens = client.service.tokenizer().encode("a b c a b c")->total_tokens;
  EXPECT_EQ(too_long.at("type").as_string(), "exceed_context_size_error");
  EXPECT_EQ(too_long.at("n_prompt_tokens").to_number<std::size_t>(), tokens);
  EXPECT_EQ(too_long.at("n_ctx").to_number<std::size_t>(), 4U);
  EXPECT_EQ(
      too_long.at("message").as_string(),
      fmt::format("input ({} tokens) is larger than the max context size (4 tokens). skipping", tokens));
  client.service.next_error = ServiceError{Fault::kValidation, "token id 700", 0, {}};
  EXPECT_EQ(error(R"({"content":[700]})").at("type").as_string(), "invalid_request_error");
  client.service.next_error = ServiceError{Fault::kBackend, "broken", 0, {}};
  EXPECT_EQ(error(R"({"content":"a"})").at("type").as_string(), "server_error");
  client.service.next_error = ServiceError{Fault::kOverloaded, "", 0, {}};
  EXPECT_EQ(error(R"({"content":"a"})").at("type").as_string(), "unavailable_error");
}

}  // namespace
}  // namespace gemvec::server
