// config.json of an output: the source's own, what a conversion changes in it, and one made from nothing.
#include "convert/model_files.h"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <string>
#include <tuple>

#include "source/model_config.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec::convert {
namespace {

namespace json = boost::json;

source::ModelSource source_with(const std::string& config, const std::filesystem::path& folder) {
  testing::write_text(folder / "config.json", config);
  source::ModelSource source;
  source.folder = source.path = folder;
  const auto parsed = source::parse_model_config(config, "config.json");
  EXPECT_TRUE(parsed.ok()) << parsed.error().message;
  source.config = parsed->config;
  return source;
}

json::object config_of(const source::ModelSource& source, ConvertTarget target,
                       ConvertNumbers numbers = ConvertNumbers::kFp32) {
  const auto text = make_config_json(source, target, numbers);
  EXPECT_TRUE(text.ok()) << text.error().message;
  return json::parse(*text).as_object();
}

TEST(ConfigJson, KeepsWhatNobodyKnows) {
  const testing::TempDir dir;
  auto config = testing::make_tiny_model().config;
  config["my_own_field"] = json::array{1, json::object{{"deep", nullptr}}};
  config["transformers.js_config"] = json::object{{"dtype", "q4"}};
  const auto source = source_with(json::serialize(config), dir.path());
  const auto onnx = config_of(source, ConvertTarget::kOnnx);
  EXPECT_EQ(onnx.at("my_own_field"), config["my_own_field"]);
  EXPECT_EQ(onnx.at("transformers.js_config"),
            (json::object{{"dtype", "q4"}, {"use_external_data_format", true}}));
  EXPECT_EQ(onnx.size(), config.size());
}

TEST(ConfigJson, NamesTheNumbersThatWereWritten) {
  const testing::TempDir dir;
  auto config = testing::make_tiny_model().config;
  const auto source = source_with(json::serialize(config), dir.path());
  EXPECT_EQ(config_of(source, ConvertTarget::kSafetensors).at("dtype"), "float32");
  EXPECT_EQ(config_of(source, ConvertTarget::kSafetensors, ConvertNumbers::kBf16).at("dtype"), "bfloat16");
  config.erase("dtype");
  config["torch_dtype"] = "bfloat16";  // its name before 2025
  const auto old = config_of(source_with(json::serialize(config), dir.path()), ConvertTarget::kSafetensors);
  EXPECT_EQ(old.at("torch_dtype"), "float32");
  EXPECT_FALSE(old.contains("dtype"));
}

TEST(ConfigJson, RepairsAHalvedWindow) {
  const testing::TempDir dir;
  auto config = testing::make_tiny_model({.layers = 24, .width = 768, .sliding_window = 257}).config;
  const auto source = source_with(json::serialize(config), dir.path());
  EXPECT_EQ(config_of(source, ConvertTarget::kSafetensors).at("sliding_window"), 512);
}

TEST(ConfigJson, IsTheSourceSByteForByteWhereNothingChanges) {
  const testing::TempDir dir;
  const std::string text = "\n" + json::serialize(testing::make_tiny_model().config) + "  ";
  const auto source = source_with(text, dir.path());
  EXPECT_EQ(*make_config_json(source, ConvertTarget::kSafetensors, ConvertNumbers::kFp32), text);
}

TEST(ConfigJson, MadeFromAConfigurationSaysThatConfiguration) {
  const testing::TempDir dir;
  auto tiny = testing::make_tiny_model({.sliding_window = 16, .max_tokens = 100}).config;
  tiny["rms_norm_eps"] = 3e-6;
  tiny["query_pre_attn_scalar"] = 24.5;
  tiny["rope_theta"] = 123456.5;
  auto source = source_with(json::serialize(tiny), dir.path());
  source.format = source::Format::kGguf;
  const auto text = make_config_json(source, ConvertTarget::kSafetensors, ConvertNumbers::kFp32);
  ASSERT_TRUE(text.ok());
  EXPECT_NE(text->find("\n  \"hidden_size\": 64,\n"), std::string::npos) << *text;
  const auto parsed = source::parse_model_config(*text, "config.json");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const model::Config &a = source.config, &b = parsed->config;
  EXPECT_EQ(std::tuple(a.layers, a.width, a.heads, a.head_dim, a.ffn, a.vocab, a.max_tokens, a.window),
            std::tuple(b.layers, b.width, b.heads, b.head_dim, b.ffn, b.vocab, b.max_tokens, b.window));
  EXPECT_EQ(a.full_attention, b.full_attention);
  EXPECT_EQ(std::tuple(a.eps, a.query_scale, a.rope_theta_full, a.rope_theta_sliding),
            std::tuple(b.eps, b.query_scale, b.rope_theta_full, b.rope_theta_sliding));
}

}  // namespace
}  // namespace gemvec::convert
