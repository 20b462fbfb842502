// What a person reads while it runs: numbers, bars, rates.
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "cli/terminal/format.h"
#include "cli/terminal/progress.h"

namespace gemvec::cli {
namespace {

TEST(Format, CountsHaveCommasAndSmallOnesADecimal) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(12.34), "12.3");
  EXPECT_EQ(format_count(99.96), "100");
  EXPECT_EQ(format_count(1234567.4), "1,234,567");
  EXPECT_EQ(plural(1, "text"), "1 text");
  EXPECT_EQ(plural(1000, "text"), "1,000 texts");
}

TEST(Format, BytesAndDurations) {
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1178213000), "1.2 GB");
  EXPECT_EQ(format_duration(7.2), "0:07");
  EXPECT_EQ(format_duration(59.7), "1:00");
  EXPECT_EQ(format_duration(3723), "1:02:03");
  EXPECT_EQ(format_duration(-1), "0:00");
}

TEST(Format, BarsFillUpAndStayInTheirWidth) {
  EXPECT_EQ(format_bar(0, 4), "[>   ]");
  EXPECT_EQ(format_bar(0.5, 4), "[==> ]");
  EXPECT_EQ(format_bar(1, 4), "[====]");
  EXPECT_EQ(format_bar(7, 4), "[====]");
}

TEST(Format, OneLineHasNoControlCharactersAndCutsBetweenCodePoints) {
  EXPECT_EQ(one_line("a\nb\tc\x1b[31m", 100), "a b c [31m");
  EXPECT_EQ(one_line("äöü", 3), "äöü");
  EXPECT_EQ(one_line("äöü!", 3), "äöü…");
}

TEST(Format, WrappedBreaksAtSpaces) {
  EXPECT_EQ(wrapped("one two three", 8), "one two\nthree");
  EXPECT_EQ(wrapped("unbreakable", 4), "unbreakable");
}

TEST(RateMeter, TellsRateAndTimeLeft) {
  RateMeter meter;
  const RateMeter::Clock::time_point begin{};
  EXPECT_EQ(meter.rate(), 0);
  meter.add(1000, begin);  // a download that goes on where it stopped
  EXPECT_LT(meter.eta(5000), 0) << "unknown";
  meter.add(2000, begin + std::chrono::seconds(2));
  EXPECT_DOUBLE_EQ(meter.rate(), 500);
  EXPECT_DOUBLE_EQ(meter.eta(5000), 6);
}

TEST(RateMeter, FollowsAChangeOfSpeedAndABeginningAnew) {
  RateMeter meter;
  const RateMeter::Clock::time_point begin{};
  for (int second = 0; second <= 100; ++second) {
    meter.add(second < 50 ? second : 50 + (second - 50) * 10, begin + std::chrono::seconds(second));
  }
  EXPECT_DOUBLE_EQ(meter.rate(), 10);
  meter.add(0, begin + std::chrono::seconds(101));
  EXPECT_EQ(meter.rate(), 0);
}

}  // namespace
}  // namespace gemvec::cli
