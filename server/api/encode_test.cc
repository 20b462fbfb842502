// Numbers, texts and vectors as answers spell them, and where messages say things lie.
#include "server/api/encode.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <boost/json/parse.hpp>
#include <chrono>
#include <cmath>
#include <limits>
#include <random>

#include "server/api/json_position.h"
#include "server/api/service_testing.h"
#include "support/base64.h"

namespace gemvec::server {
namespace {

std::string text_of(std::vector<float> values) {
  std::string out;
  append_floats(out, values);
  return out;
}

TEST(Encode, EveryPrintedFloatReadsBackAsTheSameBits) {
  std::mt19937 random(5);
  std::vector<float> values = {0.0F,
                               -0.0F,
                               0.1F,
                               1e-5F,
                               -0.012345679F,
                               1.0F,
                               16777216.0F,
                               1e16F,
                               std::numeric_limits<float>::min(),
                               -std::numeric_limits<float>::max(),
                               std::numeric_limits<float>::denorm_min()};
  for (int i = 0; i < 20'000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (std::isfinite(value)) values.push_back(value);
  }
  const auto parsed = testing::floats(boost::json::parse(text_of(values)));
  ASSERT_EQ(parsed.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    ASSERT_EQ(std::bit_cast<std::uint32_t>(parsed[i]), std::bit_cast<std::uint32_t>(values[i])) << values[i];
}

TEST(Encode, FloatsAreAsShortAsCanBe) {
  EXPECT_EQ(text_of({0.1F, -0.012345679F, 0.5F}), "[0.1,-0.012345679,0.5]");
  EXPECT_EQ(text_of({1e-5F, 1e30F}), "[1e-05,1e+30]");
  EXPECT_EQ(text_of({1.0F, -0.0F, 32760.0F}), "[1.0,-0.0,32760.0]");
  EXPECT_EQ(text_of({}), "[]");
}

TEST(Encode, TheLongestFloatsFit) {
  const std::vector<float> longest(1000, -1.2345679e15F);
  const std::string text = text_of(longest);
  EXPECT_EQ(text.size(), 1000 * std::string_view("-1234567900000000.0,").size() + 1);
}

TEST(Encode, WhatIsNoNumberIsNull) {
  EXPECT_EQ(text_of({std::nanf(""), std::numeric_limits<float>::infinity()}), "[null,null]");
}

TEST(Encode, AFullAnswerTakesMilliseconds) {
  std::mt19937 random(6);
  std::vector<float> values(768 * 32);
  for (float& value : values) value = (static_cast<float>(random() % 2000001U) - 1e6F) * 1e-7F;
  const auto begin = std::chrono::steady_clock::now();
  std::string out;
  append_rows(out, values, 768);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  RecordProperty("microseconds", fmt::format("{:.0f}", seconds.count() * 1e6));
  EXPECT_LT(seconds.count(), 0.5);  // a machine under load, with sanitizers
}

TEST(Encode, Base64IsThatOfLittleEndianFloats) {
  std::string out;
  append_base64(out, std::vector<float>{1.0F});
  EXPECT_EQ(out, "\"AACAPw==\"");
  for (const std::size_t count : {0U, 1U, 2U, 3U, 7U}) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = 0.3F * static_cast<float>(i) - 1;
    std::string text;
    append_base64(text, values);
    EXPECT_EQ(gemvec::testing::floats_of_base64(std::string_view(text).substr(1, text.size() - 2)), values);
  }
}

TEST(Encode, SignsArePackedFirstInTheHighestBit) {
  const std::vector<float> values = {1, -1, 0, 2, -0.5F, -1, -1, 3, 1};
  EXPECT_EQ(quantize(values, VectorForm::kUbinary), (std::vector<int>{0b10010001, 0b10000000}));
  EXPECT_EQ(quantize(values, VectorForm::kBinary), (std::vector<int>{0b10010001 - 128, 0}));
}

TEST(Encode, CodesHaveTheScaleOfTheirVector) {
  const std::vector<float> values = {0.5F, -1.0F, 0.25F, 0};
  EXPECT_EQ(quantize(values, VectorForm::kInt8), (std::vector<int>{64, -127, 32, 0}));
  EXPECT_EQ(quantize(values, VectorForm::kUint8), (std::vector<int>{192, 1, 160, 128}));
  EXPECT_EQ(quantize(std::vector<float>{0, 0}, VectorForm::kInt8), (std::vector<int>{0, 0}));
}

TEST(Encode, BrokenUtf8BecomesReplacementCharacters) {
  const auto json = [](std::string_view text) { return json_string(text); };
  EXPECT_EQ(json("a\"\\\n\x01"), "\"a\\\"\\\\\\n\\u0001\"");
  EXPECT_EQ(json("日本é"), "\"日本é\"");
  EXPECT_EQ(json("\xE6\x97"), "\"\xEF\xBF\xBD\"");
  EXPECT_EQ(json("\xFF\x80x"), "\"\xEF\xBF\xBD\xEF\xBF\xBDx\"");
  EXPECT_EQ(json("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

TEST(JsonPosition, FindsValuesByTheirKeys) {
  const std::string_view json = R"( {"a": [1, "]", {"b": 2}], "b" :{"c":"\"x"} , "d":-1e5})";
  const auto at = [&](std::initializer_list<std::string_view> path) {
    const auto span = find_value(json, path);
    return span ? std::string(json.substr(span->begin, span->end - span->begin)) : std::string("none");
  };
  EXPECT_EQ(at({"a"}), R"([1, "]", {"b": 2}])");
  EXPECT_EQ(at({"b"}), R"({"c":"\"x"})");
  EXPECT_EQ(at({"b", "c"}), R"("\"x")");
  EXPECT_EQ(at({"d"}), "-1e5");
  EXPECT_EQ(at({"e"}), "none");
  EXPECT_EQ(at({"d", "x"}), "none");
  EXPECT_EQ(at_position("{\n  1", 5), " at line 2 column 3");
}

}  // namespace
}  // namespace gemvec::server
