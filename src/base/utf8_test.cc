// Decoding UTF-8: hand-written literals, broken ones above all.
#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gemvec::base {
namespace {

// The code points of a text, and how many bytes each took.
struct Decoded {
  std::u32string points;
  std::vector<int> sizes;
  int invalid = 0;
  bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view text) {
  Decoded out;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = decode_utf8(text, at);
    out.points += point.value;
    out.sizes.push_back(point.size);
    out.invalid += point.valid ? 0 : 1;
    at += point.size;
  }
  return out;
}

TEST(Utf8, DecodesTheFirstAndLastCodePointOfEveryLength) {
  EXPECT_EQ(decode(std::string_view("\0\x7F", 2)), (Decoded{std::u32string(U"\0\u007F", 2), {1, 1}, 0}));
  EXPECT_EQ(decode("\xC2\x80\xDF\xBF"), (Decoded{U"\u0080\u07FF", {2, 2}, 0}));
  EXPECT_EQ(decode("\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"),
            (Decoded{U"\u0800\uD7FF\uE000\uFFFF", {3, 3, 3, 3}, 0}));
  EXPECT_EQ(decode("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"), (Decoded{U"\U00010000\U0010FFFF", {4, 4}, 0}));
}

TEST(Utf8, AReplacementCharacterThatIsWrittenOutIsValid) {
  EXPECT_EQ(decode("\xEF\xBF\xBD"), (Decoded{U"\uFFFD", {3}, 0}));
}

// A broken text, and how many bytes each decoded character must take. Characters that are U+FFFD are the
// invalid ones.
struct Broken {
  const char* title;
  std::string text;
  std::u32string points;
  std::vector<int> sizes;
};

class Utf8Broken : public testing::TestWithParam<Broken> {};

TEST_P(Utf8Broken, EachMaximalSubpartBecomesOneReplacementCharacter) {
  const Decoded decoded = decode(GetParam().text);
  EXPECT_EQ(decoded.points, GetParam().points);
  EXPECT_EQ(decoded.sizes, GetParam().sizes);
  int invalid = 0;
  for (const char32_t point : GetParam().points) invalid += point == 0xFFFD ? 1 : 0;
  EXPECT_EQ(decoded.invalid, invalid);
}

const Broken kBroken[] = {
    {"LoneContinuation", "a\x80z", U"a\uFFFDz", {1, 1, 1}},
    {"TwoContinuations", "\xBF\xBF", U"\uFFFD\uFFFD", {1, 1}},
    {"OverlongSlash", "\xC0\xAF", U"\uFFFD\uFFFD", {1, 1}},
    {"OverlongTwo", "\xC1\xBF", U"\uFFFD\uFFFD", {1, 1}},
    {"OverlongThree", "\xE0\x80\xAF", U"\uFFFD\uFFFD\uFFFD", {1, 1, 1}},
    {"OverlongFour", "\xF0\x80\x80\xAF", U"\uFFFD\uFFFD\uFFFD\uFFFD", {1, 1, 1, 1}},
    {"HighSurrogate", "\xED\xA0\x80", U"\uFFFD\uFFFD\uFFFD", {1, 1, 1}},
    {"LastSurrogate", "\xED\xBF\xBF", U"\uFFFD\uFFFD\uFFFD", {1, 1, 1}},
    {"AboveTheLastCodePoint", "\xF4\x90\x80\x80", U"\uFFFD\uFFFD\uFFFD\uFFFD", {1, 1, 1, 1}},
    {"LeadOfFive", "\xF8\x88\x80\x80\x80", U"\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD", {1, 1, 1, 1, 1}},
    {"NeverAByte", "\xFE\xFF", U"\uFFFD\uFFFD", {1, 1}},
    {"TwoCutShort", "\xC3", U"\uFFFD", {1}},
    {"ThreeCutAfterOne", "\xE2", U"\uFFFD", {1}},
    {"ThreeCutAfterTwo", "\xE2\x82", U"\uFFFD", {2}},
    {"FourCutAfterTwo", "\xF0\x9F", U"\uFFFD", {2}},
    {"FourCutAfterThree", "\xF0\x9F\x98", U"\uFFFD", {3}},
    {"TwoInterrupted", "\xC3(", U"\uFFFD(", {1, 1}},
    {"ThreeInterrupted", "\xE2\x82(", U"\uFFFD(", {2, 1}},
    {"FourInterrupted", "\xF0\x9F\x98(", U"\uFFFD(", {3, 1}},
    {"InterruptedByALead", "\xE2\x82\xC3\xA9", U"\uFFFD\u00E9", {2, 2}},
    // Table 3-8 of the Unicode standard.
    {"UnicodeTable38",
     "\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64",
     U"a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd",
     {1, 3, 2, 1, 1, 1, 1, 1, 1, 1}},
};

INSTANTIATE_TEST_SUITE_P(Each, Utf8Broken, testing::ValuesIn(kBroken),
                         [](const auto& test) { return test.param.title; });

}  // namespace
}  // namespace gemvec::base
