// CSV with a header row, through libcsv.
#pragma once

#include <csv.h>

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "cli/io/text_reader.h"

namespace gemvec::cli {

class CsvReader final : public RecordSource {
 public:
  CsvReader(LineReader lines, ReaderOptions options);
  ~CsvReader() override;
  Result<bool> next(TextRecord& record) override;
  [[nodiscard]] bool ready() const override { return !complete_.empty() || lines_.ready(); }
  [[nodiscard]] std::uint64_t bytes_done() const override { return lines_.bytes_done(); }

 private:
  struct Row {
    std::vector<std::string> fields;
    std::uint64_t line = 0;  // where it begins
  };

  Result<bool> next_row(Row& row);
  Status read_line();
  Status finish();
  Status read_header();
  [[nodiscard]] Result<std::optional<std::size_t>> find_column(const std::string& name) const;
  [[nodiscard]] Error parse_error() const;
  [[nodiscard]] std::string where(std::uint64_t line) const;
  static void on_field(void* bytes, std::size_t size, void* self);
  static void on_row(int terminator, void* self);

  LineReader lines_;
  ReaderOptions options_;
  csv_parser parser_ = {};
  bool ended_ = false;
  Row current_;                // being parsed
  std::size_t row_bytes_ = 0;  // of the lines of current_
  std::deque<Row> complete_;
  std::vector<std::string> header_;
  bool header_read_ = false;
  std::size_t text_column_ = 0;
  std::optional<std::size_t> title_column_, id_column_;
};

}  // namespace gemvec::cli
