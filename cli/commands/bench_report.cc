// What `gemvec bench` found, and how it is printed.
#include "cli/commands/bench_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "cli/io/json_text.h"
#include "cli/terminal/format.h"

namespace gemvec::cli {

namespace {

constexpr double kGiga = 1e9;
constexpr double kPercent = 100;

// Linear between the two nearest of the sorted values. REQUIRES: !sorted.empty()
double quantile(const std::vector<double>& sorted, double q) {
  const double place = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

std::vector<double> sorted(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace

double BenchRow::median_seconds() const {
  constexpr double kMedian = 0.5;
  return quantile(sorted(seconds), kMedian);
}

double BenchRow::spread() const {
  constexpr double kLower = 0.25;
  constexpr double kUpper = 0.75;
  const std::vector<double> values = sorted(seconds);
  return (quantile(values, kUpper) - quantile(values, kLower)) / median_seconds();
}

double BenchRow::tokens_per_second() const { return static_cast<double>(tokens) / median_seconds(); }

double BenchRow::texts_per_second() const { return static_cast<double>(texts) / median_seconds(); }

double BenchReport::share_of_peak(const BenchRow& row) const {
  return peak_gflops > 0 ? row.tokens_per_second() * flops_per_token / (peak_gflops * kGiga) : 0;
}

std::string bench_header_as_text(const BenchReport& report) {
  return fmt::format(
      "{} weights, {} arithmetic, {}, {} threads; loaded in {:.2f} s; peak measured now: {:.0f} GFLOP/s\n"
      "{:<18}{:>8}{:>8}{:>8}{:>12}{:>12}{:>12}{:>9}{:>10}\n",
      report.model.dtype, report.model.compute, report.model.isa, report.model.threads, report.load_seconds,
      report.peak_gflops, "texts", "a call", "tokens", "calls", "ms/call", "texts/s", "tokens/s", "spread",
      "of peak");
}

std::string bench_row_as_text(const BenchReport& report, const BenchRow& row) {
  constexpr double kMilliseconds = 1000;
  return fmt::format("{:<18}{:>8}{:>8}{:>8}{:>12.1f}{:>12}{:>12}{:>8.1f}%{:>9.0f}%\n", row.name, row.texts,
                     row.tokens, row.seconds.size(), row.median_seconds() * kMilliseconds,
                     format_count(row.texts_per_second()), format_count(row.tokens_per_second()),
                     row.spread() * kPercent, report.share_of_peak(row) * kPercent);
}

std::string bench_as_json(const BenchReport& report) {
  std::string out = fmt::format(
      R"({{"dtype":"{}","compute":"{}","isa":"{}","threads":{},"load_seconds":{:.4f},"peak_gflops":{:.2f},)"
      R"("linear_flops_per_token":{:.0f},"results":[)",
      report.model.dtype, report.model.compute, report.model.isa, report.model.threads, report.load_seconds,
      report.peak_gflops, report.flops_per_token);
  for (std::size_t i = 0; i < report.rows.size(); ++i) {
    const BenchRow& row = report.rows[i];
    out += i == 0 ? "{\"name\":" : ",{\"name\":";
    append_string(out, row.name);
    fmt::format_to(std::back_inserter(out),
                   R"(,"texts":{},"tokens":{},"calls":{},"median_seconds":{:.6f},"spread":{:.4f},)"
                   R"("texts_per_second":{:.3f},"tokens_per_second":{:.2f},"share_of_peak":{:.4f}}})",
                   row.texts, row.tokens, row.seconds.size(), row.median_seconds(), row.spread(),
                   row.texts_per_second(), row.tokens_per_second(), report.share_of_peak(row));
  }
  return out + "]}\n";
}

}  // namespace gemvec::cli
