// text-embeddings-inference's routes: status and body of each kind of request.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "server/api/service_testing.h"

namespace gemvec::server {
namespace {

using testing::ApiClient;
using testing::floats;
using testing::take_metrics;

struct Case {
  std::string path, body;
  unsigned status;
  std::string answer;
};

void expect(ApiClient& client, const std::vector<Case>& cases) {
  for (const Case& each : cases) {
    const HttpResponse response = client.post(each.path, each.body);
    EXPECT_EQ(response.status, each.status) << each.path << " " << each.body;
    EXPECT_EQ(response.body, each.answer) << each.path << " " << each.body;
  }
}

std::string list_of(std::size_t count) {
  std::string list = "[";
  for (std::size_t i = 0; i < count; ++i) list += i == 0 ? "\"a\"" : ",\"a\"";
  return list + "]";
}

constexpr std::string_view kRefused = "Failed to deserialize the JSON body into the target type: ";

TEST(Tei, EmbedGivesRowsForEveryFormOfInput) {
  ApiClient client;
  const auto& service = client.service;
  for (const std::string_view path : {"/embed", "/", "/invocations"}) {
    const auto rows = client.ok(path, R"({"inputs":"hello"})").as_array();
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(floats(rows[0]), service.vector_of("hello"));
  }
  const auto rows = client.ok("/embed", R"({"inputs":["a",[2,5,1],"b"],"prompt_name":"query"})").as_array();
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(floats(rows[0]), service.vector_of("task: search result | query: a"));
  EXPECT_EQ(floats(rows[1]), service.vector_of("2 5 1 "));
  EXPECT_EQ(client.ok("/embed", R"({"inputs":[2,5,1]})").as_array().size(), 1U);
  EXPECT_EQ(client.ok("/embed", R"({"inputs":[[2],[5,1]]})").as_array().size(), 2U);
  EXPECT_EQ(floats(client.ok("/embed", R"({"inputs":"a","dimensions":3,"normalize":false})").as_array()[0]),
            service.vector_of("a", 3, false));
}

TEST(Tei, FieldsReachTheService) {
  ApiClient client;
  client.ok("/embed", R"({"inputs":"a","truncate":false,"truncation_direction":"left","prompt_name":null})");
  EXPECT_FALSE(client.service.seen.back().truncate);
  EXPECT_EQ(client.service.seen.back().direction, Truncate::kLeft);
  client.service.options_.auto_truncate = false;
  client.service.options_.default_prompt = "p: ";
  client.ok("/embed", R"({"inputs":"a","truncate":null,"dimensions":null})");
  EXPECT_FALSE(client.service.seen.back().truncate);
  EXPECT_EQ(client.service.seen.back().prefix, "p: ");
  client.ok("/embed", R"({"inputs":"a","task":"Retrieval Document","title":"T"})");
  EXPECT_EQ(client.service.seen.back().prefix, "title: T | text: ");
}

TEST(Tei, AnswersSayWhatTheyCost) {
  ApiClient client;
  const HttpResponse response = client.post("/embed", R"({"inputs":["ab","c"],"late":1})");
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(testing::header_of(response, "x-compute-type"), "cpu+optimized");
  EXPECT_EQ(testing::header_of(response, "x-compute-characters"), "3");
  for (const std::string_view name : {"x-compute-time", "x-compute-tokens", "x-total-time",
                                      "x-tokenization-time", "x-queue-time", "x-inference-time"})
    EXPECT_NE(testing::header_of(response, name), "") << name;
  EXPECT_EQ(take_metrics(),
            (std::vector<std::string>{"ignored /embed late", "request batch", "success batch", "durations"}));
  client.post("/embed", R"({"inputs":""})");
  EXPECT_EQ(take_metrics(), (std::vector<std::string>{"request single", "failure validation"}));
  client.post("/embed", R"({"inputs":)" + list_of(33) + "}");
  EXPECT_EQ(take_metrics(), (std::vector<std::string>{"request batch", "failure batch_size"}));
}

TEST(Tei, WhatIsWrongWithAnInputIsSaidInJson) {
  ApiClient client;
  client.service.card_.max_tokens = 8;
  const std::string empty =
      R"({"error":"Input validation error: `inputs` cannot be empty","error_type":"Empty"})";
  const auto invalid = [](std::string_view message) {
    return fmt::format(R"({{"error":"Input validation error: {}","error_type":"Validation"}})", message);
  };
  expect(client,
         {
             {"/embed", R"({"inputs":""})", 400, empty},
             {"/embed", R"({"inputs":[]})", 400, empty},
             {"/embed", R"({"inputs":["a",""]})", 400, empty},
             {"/embed", R"({"inputs":[[]]})", 400, empty},
             {"/embed_all", R"({"inputs":""})", 400, empty},
             {"/embed", R"({"inputs":)" + list_of(33) + "}", 422,
              R"({"error":"batch size 33 > maximum allowed batch size 32","error_type":"Validation"})"},
             {"/embed", R"({"inputs":"a b c a b c a b c a b c","truncate":false})", 422,
              invalid("`inputs` must have less than 8 tokens. Given: " +
                      std::to_string(
                          client.service.tokenizer().encode("a b c a b c a b c a b c")->total_tokens))},
             {"/embed", R"({"inputs":"a","dimensions":0})", 422, invalid("`dimensions` should be positive")},
             {"/embed", R"({"inputs":"a","dimensions":769})", 422,
              invalid("`dimensions` should be smaller than the maximum embedding dimension.")},
             {"/embed", R"({"inputs":"a","title":"x"})", 422,
              invalid("`title` is for documents: give `task` \\\"retrieval-document\\\" with it")},
         });
  const HttpResponse unknown = client.post("/embed", R"({"inputs":"a","prompt_name":"nope"})");
  EXPECT_EQ(unknown.status, 422U);
  EXPECT_NE(unknown.body.find("`default-prompt-name` is set to `nope` but it was not found in the Sentence "
                              "Transformers prompts. Available prompts: [\\\"retrieval-query\\\", "),
            std::string::npos)
      << unknown.body;
  EXPECT_EQ(client.post("/embed", R"({"inputs":"a","task":"nope"})").status, 422U);
  EXPECT_EQ(client.post("/embed", R"({"inputs":"a","task":"query","prompt_name":"query"})").status, 422U);
}

TEST(Tei, WhatTheModelCannotDoHasItsStatus) {
  ApiClient client;
  client.service.next_error = ServiceError{Fault::kOverloaded, "full", 0, std::chrono::seconds(3)};
  const HttpResponse overloaded = client.post("/embed", R"({"inputs":"a"})");
  EXPECT_EQ(overloaded.status, 429U);
  EXPECT_EQ(overloaded.body, R"({"error":"Model is overloaded","error_type":"Overloaded"})");
  EXPECT_EQ(testing::header_of(overloaded, "retry-after"), "3");
  client.service.next_error = ServiceError{Fault::kBackend, "Backend error: broken", 0, {}};
  expect(client, {{"/embed", R"({"inputs":"a"})", 424,
                   R"({"error":"Backend error: broken","error_type":"Backend"})"}});
  client.service.next_error = ServiceError{Fault::kTokenizer, "broken", 0, {}};
  expect(client, {{"/embed", R"({"inputs":"a"})", 422,
                   R"({"error":"tokenizer error broken","error_type":"Tokenizer"})"}});
  client.service.next_error = ServiceError{Fault::kCancelled, "", 0, {}};
  EXPECT_EQ(client.post("/embed", R"({"inputs":"a"})").status, 499U);
}

TEST(Tei, WhatHasTheWrongFormIsRefusedInText) {
  ApiClient client;
  const std::string refused(kRefused);
  const std::string no_variant = refused + "inputs: data did not match any variant of untagged enum Input";
  expect(client,
         {
             {"/embed", "{}", 422, refused + "missing field `inputs` at line 1 column 2"},
             {"/embed", "{\n\"a\":1}", 422, refused + "missing field `inputs` at line 2 column 6"},
             {"/embed", R"({"inputs":true})", 422, no_variant + " at line 1 column 15"},
             {"/embed", R"({"inputs":null})", 422, no_variant + " at line 1 column 15"},
             {"/embed", R"({"inputs":{"text":"a"}})", 422, no_variant + " at line 1 column 23"},
             {"/embed", R"({"inputs":[1.5],"truncate":true})", 422, no_variant + " at line 1 column 15"},
             {"/embed", R"({"inputs":[-1]})", 422, no_variant + " at line 1 column 15"},
             {"/embed", R"({"inputs":[4294967296]})", 422, no_variant + " at line 1 column 23"},
             {"/embed", R"({"inputs":["a",1]})", 422, no_variant + " at line 1 column 18"},
             {"/embed", R"({"inputs":"a","normalize":null})", 422,
              refused + "normalize: invalid type: null, expected a boolean at line 1 column 30"},
             {"/embed", R"({"inputs":"a","truncate":"yes"})", 422,
              refused + "truncate: invalid type: string \"yes\", expected a boolean at line 1 column 30"},
             {"/embed", R"({"inputs":"a","dimensions":-1})", 422,
              refused + "dimensions: invalid value: integer `-1`, expected usize at line 1 column 29"},
             {"/embed", R"({"inputs":"a","dimensions":1.5})", 422,
              refused + "dimensions: invalid type: floating point `1.5`, expected usize at line 1 column 30"},
             {"/embed", R"({"inputs":"a","prompt_name":[]})", 422,
              refused + "prompt_name: invalid type: sequence, expected a string at line 1 column 28"},
             {"/embed", R"({"inputs":"a","truncation_direction":"up"})", 422,
              refused + "truncation_direction: unknown variant `up`, expected one of `Left`, `left`, "
                        "`Right`, `right` at "
                        "line 1 column 41"},
             {"/embed", "7", 422,
              refused + "invalid type: integer `7`, expected struct EmbedRequest at line 1 column 1"},
             {"/embed", "", 400,
              "Failed to parse the request body as JSON: EOF while parsing a value at line 1 column 0"},
             {"/embed", "{\"inputs\":", 400,
              "Failed to parse the request body as JSON: EOF while parsing a value at line 1 column 10"},
             {"/embed", "nothing", 400,
              "Failed to parse the request body as JSON: expected value at line 1 column 1"},
             {"/embed", "{} x", 400,
              "Failed to parse the request body as JSON: trailing characters at line 1 column 4"},
             {"/similarity", R"({"inputs":{"source_sentence":"a"}})", 422,
              refused + "inputs: missing field `sentences` at line 1 column 33"},
             {"/similarity", R"({"inputs":{"source_sentence":1,"sentences":[]}})", 422,
              refused +
                  "inputs.source_sentence: invalid type: integer `1`, expected a string at line 1 column 30"},
             {"/decode", R"({"ids":["a"]})", 422,
              refused + "ids: data did not match any variant of untagged enum InputIds at line 1 column 13"},
         });
  const HttpResponse text = client.post("/embed", "{}");
  EXPECT_EQ(text.content_type, "text/plain; charset=utf-8");
  EXPECT_TRUE(take_metrics().empty());
}

TEST(Tei, BodiesThatAreNoJsonAreRefused) {
  ApiClient client;
  for (const std::string_view type :
       {"", "text/plain", "application/x-www-form-urlencoded", "applicationjson"}) {
    const HttpResponse response = client.post("/embed", R"({"inputs":"a"})", type);
    EXPECT_EQ(response.status, 415U) << type;
    EXPECT_EQ(response.body, "Expected request with `Content-Type: application/json`");
  }
  for (const std::string_view type :
       {"application/json; charset=utf-8", "Application/JSON", "application/x+json"})
    EXPECT_EQ(client.post("/embed", R"({"inputs":"a"})", type).status, 200U) << type;
  EXPECT_EQ(client.post("/embed", "{\"inputs\":\"\xFF\"}").status, 400U);
  EXPECT_EQ(client.post("/embed", R"({"inputs":"\ud800"})").status, 400U);
  const std::string deep(10'000, '[');
  EXPECT_EQ(client.post("/embed", R"({"inputs":)" + deep).status, 400U);
}

TEST(Tei, AFieldThatComesTwiceIsRefused) {
  ApiClient client;
  const std::string refused(kRefused);
  expect(client,
         {
             {"/embed", R"({"inputs":"a","inputs":"b"})", 422,
              refused + "duplicate field `inputs` at line 1 column 22"},
             {"/embed", R"({"inputs":"a","\u0069nputs" :"b"})", 422,
              refused + "duplicate field `inputs` at line 1 column 28"},
             {"/similarity", R"({"inputs":{"source_sentence":"a","sentences":["b"],"sentences":["c"]}})", 422,
              refused + "inputs: duplicate field `sentences` at line 1 column 62"},
             {"/similarity",
              R"({"inputs":{"source_sentence":"a","sentences":["b"]},"parameters":null,"parameters":null})",
              422, refused + "duplicate field `parameters` at line 1 column 82"},
         });
  const HttpResponse openai = client.post("/v1/embeddings", R"({"input":"a","model":"m","model":"m"})");
  EXPECT_EQ(openai.status, 422U);
  EXPECT_NE(openai.body.find("duplicate field `model` at line 1 column 32"), std::string::npos)
      << openai.body;
  // What nobody reads may come as often as it likes, and inside of texts nothing is a key.
  EXPECT_EQ(client.post("/embed", R"({"x":1,"inputs":"a","x":{"inputs":1,"inputs":2}})").status, 200U);
  EXPECT_EQ(client.post("/embed", R"({"inputs":"\",\"inputs\":\"b"})").status, 200U);
  // The originals of these take the last.
  EXPECT_EQ(client.post("/api/embed", R"({"model":"embeddinggemma","input":"a","input":"b"})").status, 200U);
  EXPECT_EQ(client.service.seen.back().inputs.at(0), Input("b"));
  EXPECT_EQ(client.post("/embedding", R"({"content":"a","content":"c"})").status, 200U);
  EXPECT_EQ(client.service.seen.back().inputs.at(0), Input("c"));
}

TEST(Tei, EmbedAllGivesARowForEveryToken) {
  ApiClient client;
  const auto texts = client.ok("/embed_all", R"({"inputs":["a b",[2,1]]})").as_array();
  ASSERT_EQ(texts.size(), 2U);
  EXPECT_EQ(texts[0].as_array().size(), client.service.tokenizer().encode("a b")->ids.size());
  EXPECT_EQ(texts[1].as_array().size(), 2U);
  EXPECT_EQ(texts[1].as_array()[0].as_array().size(), 768U);
  EXPECT_TRUE(client.service.seen.back().tokens);
}

TEST(Tei, SimilarityIsTheCosine) {
  ApiClient client;
  const auto cosines = floats(client.ok(
      "/similarity", R"({"inputs":{"source_sentence":"a","sentences":["a","b"]},"parameters":{}})"));
  ASSERT_EQ(cosines.size(), 2U);
  EXPECT_NEAR(cosines[0], 1, 1e-6);
  double dot = 0;
  const auto a = client.service.vector_of("a"), b = client.service.vector_of("b");
  for (std::size_t i = 0; i < a.size(); ++i) dot += static_cast<double>(a[i]) * b[i];
  EXPECT_NEAR(cosines[1], dot, 1e-6);
  client.ok("/similarity",
            R"({"inputs":{"source_sentence":"a","sentences":["b"]},"parameters":{"prompt_name":"STS"}})");
  EXPECT_EQ(client.service.seen.back().prefix, "task: sentence similarity | query: ");
  expect(client,
         {
             {"/similarity", R"({"inputs":{"source_sentence":"a","sentences":[]}})", 400,
              R"({"error":"`inputs.sentences` cannot be empty","error_type":"Empty"})"},
             {"/similarity", R"({"inputs":{"source_sentence":"a","sentences":)" + list_of(32) + "}}", 422,
              R"({"error":"batch size 33 > maximum allowed batch size 32","error_type":"Validation"})"},
         });
}

TEST(Tei, TokensHaveTheirPlaceInPromptAndText) {
  ApiClient client;
  const auto lists = client.ok("/tokenize", R"({"inputs":"the 日","prompt_name":"query"})").as_array();
  const auto& tokens = lists.at(0).as_array();
  const std::string text = "task: search result | query: the 日";
  EXPECT_EQ(boost::json::serialize(tokens.front()),
            R"({"id":2,"text":"<bos>","special":true,"start":null,"stop":null})");
  EXPECT_EQ(boost::json::serialize(tokens.back()),
            R"({"id":1,"text":"<eos>","special":true,"start":null,"stop":null})");
  std::size_t at = 0;
  for (std::size_t i = 1; i + 1 < tokens.size(); ++i) {
    const auto& token = tokens[i].as_object();
    EXPECT_EQ(token.at("start").to_number<std::size_t>(), at);
    const auto stop = token.at("stop").to_number<std::size_t>();
    EXPECT_EQ(std::string_view(token.at("text").as_string()), text.substr(at, stop - at));
    at = stop;
  }
  EXPECT_EQ(at, text.size());
  EXPECT_EQ(client.ok("/tokenize", R"({"inputs":["",""]})").as_array().size(), 2U);
  const auto bare = client.ok("/tokenize", R"({"inputs":"a","add_special_tokens":false})").as_array();
  for (const auto& token : bare.at(0).as_array()) EXPECT_FALSE(token.as_object().at("special").as_bool());
  EXPECT_TRUE(take_metrics().empty());
  expect(
      client,
      {
          {"/tokenize", R"({"inputs":[]})", 400,
           R"({"error":"`inputs` cannot be empty","error_type":"Empty"})"},
          {"/tokenize", R"({"inputs":)" + list_of(33) + "}", 422,
           R"({"error":"batch size 33 > maximum allowed batch size 32","error_type":"Validation"})"},
          {"/tokenize", R"({"inputs":[1]})", 422,
           std::string(kRefused) +
               "inputs: data did not match any variant of untagged enum TokenizeInput at line 1 column 14"},
      });
}

TEST(Tei, DecodeGivesTheTextBack) {
  ApiClient client;
  const auto ids = client.service.tokenizer().encode("the task and 日本 query")->ids;
  const std::string list = fmt::format("[{}]", fmt::join(ids, ","));
  expect(client,
         {
             {"/decode", R"({"ids":)" + list + "}", 200, R"(["the task and 日本 query"])"},
             {"/decode", R"({"ids":[)" + list + ",[2]]}", 200, R"(["the task and 日本 query",""])"},
             {"/decode", R"({"ids":[2],"skip_special_tokens":false})", 200, R"(["<bos>"])"},
             {"/decode", R"({"ids":[4294967295]})", 200, R"([""])"},
             {"/decode", R"({"ids":[]})", 400,
              R"({"error":"Input validation error: `input_ids` cannot be empty","error_type":"Empty"})"},
         });
}

TEST(Tei, OtherKindsOfModelsAreRefused) {
  ApiClient client;
  const auto backend = [](std::string_view message) {
    return fmt::format(R"({{"error":"Backend error: {}","error_type":"Backend"}})", message);
  };
  expect(client,
         {
             {"/embed_sparse", R"({"inputs":"a"})", 424,
              backend("Model is not an embedding model with SPLADE pooling")},
             {"/predict", R"({"inputs":"a"})", 424, backend("Model is not a classifier model")},
             {"/predict", R"({"inputs":[["a"],["a","b"]]})", 424, backend("Model is not a classifier model")},
             {"/rerank", R"({"query":"q","texts":["a"]})", 424, backend("model is not a re-ranker model")},
             {"/rerank", R"({"query":"q","texts":[]})", 400,
              R"({"error":"`texts` cannot be empty","error_type":"Empty"})"},
             {"/rerank", R"({"texts":["a"]})", 422,
              std::string(kRefused) + "missing field `query` at line 1 column 15"},
         });
  EXPECT_EQ(take_metrics().at(1), "failure model_type");
}

TEST(Tei, VertexAnswersEachInstance) {
  ApiClient client;
  client.service.options_.max_client_batch_size = 2;
  const auto answer = client.ok(
      "/vertex",
      R"({"instances":[{"inputs":"a"},{"inputs":["b","c"]},{"inputs":"d","prompt_name":"query"},{"inputs":"e"}]})");
  const auto& predictions = answer.at("predictions").as_array();
  ASSERT_EQ(predictions.size(), 4U);
  EXPECT_EQ(floats(predictions[1].as_array().at(1)), client.service.vector_of("c"));
  EXPECT_EQ(floats(predictions[2].as_array().at(0)),
            client.service.vector_of("task: search result | query: d"));
  EXPECT_EQ(floats(predictions[3].as_array().at(0)), client.service.vector_of("e"));
  expect(client, {
                     {"/vertex", R"({"instances":[]})", 200, R"({"predictions":[]})"},
                     {"/vertex", R"({"instances":[{"query":"q","texts":["a"]}]})", 424,
                      R"({"error":"Backend error: model is not a re-ranker model","error_type":"Backend"})"},
                     {"/vertex", R"({"instances":[{"inputs":"a"},{"inputs":""}]})", 400,
                      R"({"error":"Input validation error: `inputs` cannot be empty","error_type":"Empty"})"},
                 });
  EXPECT_EQ(client.post("/vertex", R"({"instances":[{"inputs":1}]})").status, 422U);
  EXPECT_EQ(client.post("/vertex", R"({"instances":7})").status, 422U);
}

TEST(Tei, InfoHasTheFieldsInOrder) {
  ApiClient client;
  const HttpResponse response = client.get("/info");
  const std::string begin =
      R"({"model_id":"google/embeddinggemma-300m","model_sha":null,"model_dtype":"q8",)"
      R"("served_model_name":"google/embeddinggemma-300m","model_type":{"embedding":{"pooling":"mean"}},)"
      R"("max_concurrent_requests":512,"max_input_length":2048,"max_batch_tokens":16384,)"
      R"("max_batch_requests":null,"max_client_batch_size":32,"auto_truncate":true,"tokenization_workers":3,)";
  EXPECT_EQ(response.body.substr(0, begin.size()), begin);
  EXPECT_TRUE(response.body.ends_with(R"(,"sha":null,"docker_label":null})"));
}

TEST(Operations, HealthIsEmptyWhenAllIsWell) {
  ApiClient client;
  for (const std::string_view path : {"/health", "/ping"}) {
    client.service.healthy_ = true;
    EXPECT_EQ(client.get(path).status, 200U);
    EXPECT_EQ(client.get(path).body, "");
    client.service.healthy_ = false;
    EXPECT_EQ(client.get(path).status, 503U);
    EXPECT_EQ(client.get(path).body, R"({"error":"unhealthy","error_type":"Unhealthy"})");
    EXPECT_EQ(client.router.match("GET", path).access, Access::kPublic);
  }
  EXPECT_EQ(client.get("/metrics").content_type, "text/plain; charset=utf-8");
}

}  // namespace
}  // namespace gemvec::server
