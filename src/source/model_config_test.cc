// config.json: the forms that mean EmbeddingGemma, the halved window, and what is said about the others.
#include "source/model_config.h"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <functional>
#include <string>

#include "support/tiny_model.h"

namespace gemvec::source {
namespace {

using boost::json::object;

object tiny_config() { return gemvec::testing::make_tiny_model().config; }

// The release's numbers, as far as they matter here.
object release_config() {
  object config = tiny_config();
  config["num_hidden_layers"] = 24;
  config["hidden_size"] = 768;
  config["head_dim"] = 256;
  config["intermediate_size"] = 1152;
  config["vocab_size"] = 262144;
  config["query_pre_attn_scalar"] = 256;
  config["sliding_window"] = 512;
  config.erase("layer_types");
  return config;
}

Result<ModelConfig> parse(const object& config) {
  return parse_model_config(boost::json::serialize(config), "config.json");
}

std::string message_of(const Result<ModelConfig>& result) {
  return result.ok() ? "no error" : result.error().message;
}

TEST(ModelConfig, TheReleaseIsTheDefault) {
  const auto parsed = parse(release_config());
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const model::Config expected;
  const auto& c = parsed->config;
  EXPECT_EQ(c.layers, expected.layers);
  EXPECT_EQ(c.width, expected.width);
  EXPECT_EQ(c.heads, expected.heads);
  EXPECT_EQ(c.head_dim, expected.head_dim);
  EXPECT_EQ(c.ffn, expected.ffn);
  EXPECT_EQ(c.dense_width, expected.dense_width);
  EXPECT_EQ(c.vocab, expected.vocab);
  EXPECT_EQ(c.max_tokens, expected.max_tokens);
  EXPECT_EQ(c.window, expected.window);
  EXPECT_EQ(c.eps, expected.eps);
  EXPECT_EQ(c.query_scale, expected.query_scale);
  EXPECT_EQ(c.rope_theta_full, expected.rope_theta_full);
  EXPECT_EQ(c.rope_theta_sliding, expected.rope_theta_sliding);
  ASSERT_EQ(c.full_attention.size(), 24U);
  for (std::size_t layer = 0; layer < 24; ++layer)
    EXPECT_EQ(c.full_attention[layer], layer % 6 == 5) << layer;
  EXPECT_TRUE(parsed->notes.empty());
}

TEST(ModelConfig, AHalvedWindowOfTheReleaseIsRepairedWithANote) {
  for (const int window : {257, 129, 65, 33, 17, 9, 5, 3, 2}) {
    object config = release_config();
    config["sliding_window"] = window;
    const auto parsed = parse(config);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message;
    EXPECT_EQ(parsed->config.window, 256U) << window;
    ASSERT_EQ(parsed->notes.size(), 1U);
    EXPECT_EQ(parsed->notes[0], "config.json: sliding_window is " + std::to_string(window) +
                                    ", a 512 that was halved when the model was saved; 512 is used.");
  }
}

TEST(ModelConfig, AnyOtherWindowOfTheReleaseIsRefused) {
  for (const int window : {256, 255, 511, 513, 1024, 4096, 128, 4}) {
    object config = release_config();
    config["sliding_window"] = window;
    EXPECT_EQ(
        message_of(parse(config)),
        "config.json: sliding_window: expected 512, EmbeddingGemma's, found " + std::to_string(window) + ".");
  }
}

TEST(ModelConfig, InOtherDimensionsTheWindowIsBelieved) {
  for (const int window : {2, 3, 16, 257, 512}) {
    object config = tiny_config();
    config["sliding_window"] = window;
    const auto parsed = parse(config);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message;
    EXPECT_EQ(parsed->config.window, static_cast<std::size_t>(window / 2));
    EXPECT_TRUE(parsed->notes.empty());
  }
}

TEST(ModelConfig, UnderstandsTheFormOfTransformers5) {
  object config = tiny_config();
  for (const auto* name : {"rope_theta", "rope_local_base_freq", "_sliding_window_pattern", "rope_scaling"})
    config.erase(name);
  config["rope_parameters"] =
      boost::json::parse(R"({"full_attention": {"rope_type": "default", "rope_theta": 5e5},
                                                     "sliding_attention": {"rope_theta": 2e4}})");
  const auto parsed = parse(config);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(parsed->config.rope_theta_full, 5e5);
  EXPECT_EQ(parsed->config.rope_theta_sliding, 2e4);
  EXPECT_TRUE(parsed->config.full_attention[5]);
}

TEST(ModelConfig, LayerTypesMayBeMissingOrTheOnlyOnes) {
  object config = tiny_config();
  config.erase("layer_types");
  config.erase("_sliding_window_pattern");
  config["sliding_window_pattern"] = 3;
  auto parsed = parse(config);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(parsed->config.full_attention,
            (std::vector<bool>{false, false, true, false, false, true, false}));
  config.erase("sliding_window_pattern");
  EXPECT_EQ(message_of(parse(config)), "config.json: layer_types: expected an array, found nothing.");
}

TEST(ModelConfig, AnArchitectureMayBeUnnamedButNotAnother) {
  object config = tiny_config();
  config.erase("architectures");
  EXPECT_TRUE(parse(config).ok());
  config["architectures"] = boost::json::array{"Gemma3ForCausalLM"};
  EXPECT_TRUE(parse(config).ok());
}

// A config that is wrong in one way, and what is said about it after "config.json: ".
struct BadConfig {
  const char* title;
  std::function<void(object&)> change;
  ErrorCode code;
  std::string message;
};

class ModelConfigBad : public ::testing::TestWithParam<BadConfig> {};

TEST_P(ModelConfigBad, IsRefusedWithAMessage) {
  object config = tiny_config();
  GetParam().change(config);
  const auto parsed = parse(config);
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().message, "config.json: " + GetParam().message);
  EXPECT_EQ(parsed.error().code, GetParam().code);
}

// Sets or, with "-", erases a field; the value is JSON.
std::function<void(object&)> set(const char* field, const char* json) {
  return [=](object& config) {
    if (std::string_view(json) == "-") {
      config.erase(field);
    } else {
      config[field] = boost::json::parse(json);
    }
  };
}

constexpr auto kUnsupported = ErrorCode::kUnsupported;
constexpr auto kBadFormat = ErrorCode::kBadFormat;
const BadConfig kAnotherModel[] = {
    {"Bert", set("model_type", R"("bert")"), kUnsupported,
     R"(model_type: expected "gemma3_text", EmbeddingGemma's, found "bert".)"},
    {"NoModelType", set("model_type", "-"), kBadFormat, "model_type: expected a string, found nothing."},
    {"Architecture", set("architectures", R"(["BertModel"])"), kUnsupported,
     R"(architectures: expected ["Gemma3TextModel"], found an array.)"},
    {"NoArchitecture", set("architectures", "[]"), kUnsupported,
     R"(architectures: expected ["Gemma3TextModel"], found an array.)"},
    {"ArchitectureAsText", set("architectures", R"("Gemma3TextModel")"), kUnsupported,
     R"(architectures: expected ["Gemma3TextModel"], found "Gemma3TextModel".)"},
    {"Causal", set("use_bidirectional_attention", "false"), kUnsupported,
     "use_bidirectional_attention: expected true (a causal Gemma gives no such embeddings), found false."},
    {"CausalByDefault", set("use_bidirectional_attention", "-"), kUnsupported,
     "use_bidirectional_attention: expected true (a causal Gemma gives no such embeddings), found nothing."},
    {"Silu", set("hidden_activation", R"("silu")"), kUnsupported,
     R"(hidden_activation: expected "gelu_pytorch_tanh", found "silu".)"},
    {"AttentionBias", set("attention_bias", "true"), kUnsupported,
     "attention_bias: expected null or false, found true."},
    {"AttentionCap", set("attn_logit_softcapping", "50.0"), kUnsupported,
     "attn_logit_softcapping: expected null or false, found 5E1."},
    {"FinalCap", set("final_logit_softcapping", "30"), kUnsupported,
     "final_logit_softcapping: expected null or false, found 30."},
    {"ScaledRope", set("rope_scaling", R"({"rope_type": "linear", "factor": 8})"), kUnsupported,
     "rope_scaling: expected null or false, found an object."},
    {"ScaledRope5",
     set("rope_parameters", R"({"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                                "sliding_attention": {"rope_theta": 1e4}})"),
     kUnsupported, R"(rope_parameters.full_attention.rope_type: expected "default", found "linear".)"},
    {"Quantised", set("quantization_config", R"({"bits": 4})"), kUnsupported,
     "quantization_config: expected null or false, found an object."},
    {"ThreeKvHeads", set("num_key_value_heads", "3"), kUnsupported,
     "num_key_value_heads: expected 1, found 3."},
    {"UnknownLayerType", [](object& config) { config["layer_types"].as_array()[2] = "linear_attention"; },
     kUnsupported, R"(layer_types: expected only "full_attention" and "sliding_attention", found an array.)"},
};

const BadConfig kBadNumbers[] = {
    {"NoWidth", set("hidden_size", "-"), kBadFormat,
     "hidden_size: expected a whole number from 32 to 65536, found nothing."},
    {"WidthNull", set("hidden_size", "null"), kBadFormat,
     "hidden_size: expected a whole number from 32 to 65536, found null."},
    {"WidthOdd", set("hidden_size", "100"), kUnsupported,
     "hidden_size: expected a multiple of 32, found 100."},
    {"WidthZero", set("hidden_size", "0"), kBadFormat,
     "hidden_size: expected a whole number from 32 to 65536, found 0."},
    {"WidthNegative", set("hidden_size", "-64"), kBadFormat,
     "hidden_size: expected a whole number from 32 to 65536, found -64."},
    {"WidthHuge", set("hidden_size", "18446744073709551615"), kBadFormat,
     "hidden_size: expected a whole number from 32 to 65536, found 18446744073709551615."},
    {"WidthFraction", set("hidden_size", "64.5"), kBadFormat,
     "hidden_size: expected a whole number from 32 to 65536, found 6.45E1."},
    {"WidthText", set("hidden_size", R"("64")"), kBadFormat,
     "hidden_size: expected a whole number from 32 to 65536, found \"64\"."},
    {"HeadOdd", set("head_dim", "48"), kUnsupported, "head_dim: expected a multiple of 32, found 48."},
    {"FfnOdd", set("intermediate_size", "97"), kUnsupported,
     "intermediate_size: expected a multiple of 32, found 97."},
    {"NoLayers", set("num_hidden_layers", "0"), kBadFormat,
     "num_hidden_layers: expected a whole number from 1 to 256, found 0."},
    {"LayersHuge", set("num_hidden_layers", "100000"), kBadFormat,
     "num_hidden_layers: expected a whole number from 1 to 256, found 100000."},
    {"NoHeads", set("num_attention_heads", "0"), kBadFormat,
     "num_attention_heads: expected a whole number from 1 to 16, found 0."},
    {"HeadsBeyondTheKernels", set("num_attention_heads", "17"), kBadFormat,
     "num_attention_heads: expected a whole number from 1 to 16, found 17."},
    {"NoVocabulary", set("vocab_size", "0"), kBadFormat,
     "vocab_size: expected a whole number from 1 to 16777216, found 0."},
    {"OnePosition", set("max_position_embeddings", "1"), kBadFormat,
     "max_position_embeddings: expected a whole number from 2 to 16777216, found 1."},
    {"EpsZero", set("rms_norm_eps", "0"), kBadFormat,
     "rms_norm_eps: expected a number above 1E-12 and up to 1E-2, found 0."},
    {"EpsThatIsZeroAsAFloat", set("rms_norm_eps", "1e-320"), kBadFormat,
     "rms_norm_eps: expected a number above 1E-12 and up to 1E-2, found 1E-320."},
    {"ScaleThatIsInfiniteAsAFloat", set("query_pre_attn_scalar", "1e-100"), kBadFormat,
     "query_pre_attn_scalar: expected a number above 1E-3 and up to 1E6, found 1E-100."},
    {"EpsText", set("rms_norm_eps", R"("1e-6")"), kBadFormat,
     "rms_norm_eps: expected a number above 1E-12 and up to 1E-2, found \"1e-6\"."},
    {"NoScale", set("query_pre_attn_scalar", "-"), kBadFormat,
     "query_pre_attn_scalar: expected a number above 1E-3 and up to 1E6, found nothing."},
    {"NoTheta", set("rope_theta", "-"), kBadFormat,
     "rope_theta: expected a number above 1E0 and up to 1E9, found nothing."},
    {"NoLocalTheta", set("rope_local_base_freq", "null"), kBadFormat,
     "rope_local_base_freq: expected a number above 1E0 and up to 1E9, found null."},
    {"RopeParametersIncomplete", set("rope_parameters", R"({"full_attention": {"rope_theta": 1e6}})"),
     kBadFormat, "rope_parameters.sliding_attention: expected an object, found nothing."},
    {"LayerTypesTooShort", set("layer_types", R"(["full_attention"])"), kBadFormat,
     "layer_types: expected an array of num_hidden_layers = 7, found an array."},
    {"LayerTypesNoArray", set("layer_types", "7"), kBadFormat,
     "layer_types: expected an array of num_hidden_layers = 7, found 7."},
    {"LayerTypesAgainstPattern", set("_sliding_window_pattern", "5"), kBadFormat,
     "layer_types: expected what _sliding_window_pattern says, found an array."},
    {"PatternZero", set("_sliding_window_pattern", "0"), kBadFormat,
     "_sliding_window_pattern: expected a whole number from 1 to 256, found 0."},
    {"NoWindow", set("sliding_window", "null"), kBadFormat,
     "sliding_window: expected a whole number from 2 to 16777216, found null."},
};

const auto kTitle = [](const auto& test) { return test.param.title; };
INSTANTIATE_TEST_SUITE_P(AnotherModel, ModelConfigBad, ::testing::ValuesIn(kAnotherModel), kTitle);
INSTANTIATE_TEST_SUITE_P(Numbers, ModelConfigBad, ::testing::ValuesIn(kBadNumbers), kTitle);

TEST(ModelConfig, RefusesWhatIsNoObject) {
  EXPECT_EQ(message_of(parse_model_config("[]", "config.json")),
            "config.json: expected a JSON object, found an array.");
  EXPECT_EQ(message_of(parse_model_config("", "config.json")),
            "config.json: not valid JSON at byte 0: incomplete JSON.");
}

}  // namespace
}  // namespace gemvec::source
