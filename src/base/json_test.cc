// JSON files with messages that say where they break.
#include "base/json.h"

#include <gtest/gtest.h>

#include <string>

#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec::base {
namespace {

std::string message_of(std::string_view text) {
  const auto value = parse_json(text, "a.json");
  if (value.ok()) return "no error";
  EXPECT_EQ(value.error().code, ErrorCode::kBadFormat);
  return value.error().message;
}

TEST(Json, ParsesAValue) {
  const auto value = parse_json(R"( {"a": [1, -2, 2.5, "\u00e9", null, true]} )", "a.json");
  ASSERT_TRUE(value.ok()) << value.error().message;
  const auto& array = value->at("a").as_array();
  EXPECT_EQ(array[0], 1);
  EXPECT_EQ(array[3], "é");
  EXPECT_TRUE(array[4].is_null());
}

TEST(Json, SaysWhereItBreaks) {
  EXPECT_EQ(message_of(""), "a.json: not valid JSON at byte 0: incomplete JSON.");
  EXPECT_EQ(message_of("{\"a\": tru"), "a.json: not valid JSON at byte 9: incomplete JSON.");
  EXPECT_TRUE(message_of("{\"a\" 1}").starts_with("a.json: not valid JSON at byte 5: "));
  EXPECT_TRUE(message_of("{} x").starts_with("a.json: not valid JSON at byte 3: "));
  EXPECT_TRUE(message_of("\"\xFF\"").starts_with("a.json: not valid JSON at byte 1: "));
}

TEST(Json, RefusesNestingThatCouldExhaustTheStack) {
  EXPECT_EQ(message_of(std::string(64, '[') + std::string(64, ']')), "no error");
  EXPECT_NE(message_of(std::string(1'000'000, '[')), "no error");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_NE(message_of(objects), "no error");
}

TEST(Json, ReadsAFileAndNamesIt) {
  const gemvec::testing::TempDir dir;
  const auto path = dir.path() / "b.json";
  auto value = read_json(path, 100);
  ASSERT_FALSE(value.ok());
  EXPECT_EQ(value.error().code, ErrorCode::kNotFound);
  gemvec::testing::write_text(path, "[1]");
  value = read_json(path, 3);
  ASSERT_TRUE(value.ok()) << value.error().message;
  value = read_json(path, 2);
  ASSERT_FALSE(value.ok());
  EXPECT_EQ(value.error().message, path.string() + ": expected at most 2 bytes, found 3.");
}

}  // namespace
}  // namespace gemvec::base
