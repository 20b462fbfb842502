// What `gemvec bench` found, and how it is printed.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "gemvec/embedder.h"

namespace gemvec::cli {

struct BenchRow {
  std::string name;             // "512 tokens", or a name from --texts
  std::size_t texts = 0;        // a call
  std::size_t tokens = 0;       // a call
  std::vector<double> seconds;  // of each call, in the order they ran

  [[nodiscard]] double median_seconds() const;
  // Between the quartiles, as a share of the median: half of the calls were within it.
  [[nodiscard]] double spread() const;
  [[nodiscard]] double tokens_per_second() const;
  [[nodiscard]] double texts_per_second() const;
};

struct BenchReport {
  ModelInfo model;
  double load_seconds = 0;
  double peak_gflops = 0;      // measured in this run
  double flops_per_token = 0;  // of the linear layers
  std::vector<BenchRow> rows;

  // Arithmetic done in the linear layers, as a share of the peak.
  [[nodiscard]] double share_of_peak(const BenchRow& row) const;
};

std::string bench_header_as_text(const BenchReport& report);
std::string bench_row_as_text(const BenchReport& report, const BenchRow& row);
std::string bench_as_json(const BenchReport& report);

}  // namespace gemvec::cli
