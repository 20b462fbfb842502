// Hostile strings in messages stay one short line of valid UTF-8.
#include "base/quote.h"

#include <gtest/gtest.h>

namespace gemvec::base {
namespace {

TEST(Quote, LeavesOrdinaryTextAlone) {
  EXPECT_EQ(quote("layers.0.mlp"), "\"layers.0.mlp\"");
  EXPECT_EQ(quote("日本 é"), "\"日本 é\"");
  EXPECT_EQ(quote(""), "\"\"");
}

TEST(Quote, ShowsControlCharactersAndBrokenBytesAsHex) {
  EXPECT_EQ(quote("a\nb\x1b[0m\x7f"), R"("a\x0Ab\x1B[0m\x7F")");
  EXPECT_EQ(quote("\xC2\x85"), R"("\xC2\x85")");  // a control character of two bytes
  EXPECT_EQ(quote("\xE2\x82(\xFF"), R"("\xE2\x82(\xFF")");
  EXPECT_EQ(quote(std::string_view("\0", 1)), R"("\x00")");
}

TEST(Quote, CutsLongTextBetweenCharacters) {
  EXPECT_EQ(quote(std::string(80, 'x')), "\"" + std::string(80, 'x') + "\"");
  EXPECT_EQ(quote(std::string(81, 'x')), "\"" + std::string(80, 'x') + "...\"");
  EXPECT_EQ(quote(std::string(79, 'x') + "éé"), "\"" + std::string(79, 'x') + "é...\"");
}

}  // namespace
}  // namespace gemvec::base
