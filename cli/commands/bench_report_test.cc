// The statistics that `gemvec bench` prints.
#include "cli/commands/bench_report.h"

#include <gtest/gtest.h>

namespace gemvec::cli {
namespace {

TEST(BenchReport, MedianAndSpreadAreThoseOfTheSortedCalls) {
  BenchRow row;
  row.texts = 2;
  row.tokens = 100;
  row.seconds = {4, 1, 3, 2, 100};
  EXPECT_DOUBLE_EQ(row.median_seconds(), 3);
  EXPECT_DOUBLE_EQ(row.spread(), (4.0 - 2.0) / 3.0);
  EXPECT_DOUBLE_EQ(row.tokens_per_second(), 100.0 / 3);
  EXPECT_DOUBLE_EQ(row.texts_per_second(), 2.0 / 3);
  row.seconds = {1, 2};
  EXPECT_DOUBLE_EQ(row.median_seconds(), 1.5);
}

TEST(BenchReport, ShareOfPeakIsWorkDoneOverWorkPossible) {
  BenchReport report;
  report.peak_gflops = 200;
  report.flops_per_token = 2e8;
  BenchRow row;
  row.tokens = 1000;
  row.seconds = {2};
  EXPECT_DOUBLE_EQ(report.share_of_peak(row), 0.5);
  report.peak_gflops = 0;
  EXPECT_DOUBLE_EQ(report.share_of_peak(row), 0);
}

TEST(BenchReport, RowsAlignWithTheHeader) {
  BenchReport report;
  BenchRow row;
  row.name = "16 tokens";
  row.tokens = 4096;
  row.seconds = {0.5};
  const std::string header = bench_header_as_text(report);
  const std::size_t line = header.find('\n') + 1;
  EXPECT_EQ(header.size() - line, bench_row_as_text(report, row).size());
}

}  // namespace
}  // namespace gemvec::cli
