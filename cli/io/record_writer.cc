// Vectors as JSON Lines, CSV and raw numbers.
#include "cli/io/record_writer.h"

#include <csv.h>
#include <fmt/format.h>

#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "cli/io/json_text.h"
#include "cli/io/npy_writer.h"

namespace gemvec::cli {

RecordWriter::RecordWriter(OutputFile output, WriterOptions options)
    : output_(std::move(output)), options_(options) {}

Status RecordWriter::finish() { return output_.commit(); }

namespace {

// {"index":0,"id":"a","tokens":18,"truncated":false,"embedding":[...]}
class JsonlWriter final : public RecordWriter {
 public:
  using RecordWriter::RecordWriter;

  Status write(const OutputRecord& record) override {
    line_.clear();
    fmt::format_to(std::back_inserter(line_), "{{\"index\":{}", record.index);
    if (const auto& id = *record.id) {
      line_ += ",\"id\":";
      id->is_string ? append_string(line_, id->text) : static_cast<void>(line_ += id->text);
    }
    fmt::format_to(std::back_inserter(line_), ",\"tokens\":{},\"truncated\":{},", record.tokens,
                   record.truncated);
    options_.per_token ? append_token_vectors(record.values) : append_vector(record.values);
    line_ += "}\n";
    if (auto status = output_.append(line_); !status.ok()) return status;
    ++records_;
    return {};
  }

 private:
  void append_vector(std::span<const float> values) {
    line_ += "\"embedding\":";
    append_floats(line_, values);
  }

  void append_token_vectors(std::span<const float> values) {
    line_ += "\"token_embeddings\":[";
    for (std::size_t at = 0; at < values.size(); at += options_.width) {
      if (at != 0) line_ += ',';
      append_floats(line_, values.subspan(at, options_.width));
    }
    line_ += ']';
  }

  std::string line_;
};

// index,id,tokens,truncated,e0,...,e767, with a column `token` after `tokens` for per-token vectors.
class CsvWriter final : public RecordWriter {
 public:
  using RecordWriter::RecordWriter;

  Status begin() override {
    std::string header = options_.per_token ? "index,id,tokens,token,truncated" : "index,id,tokens,truncated";
    for (std::size_t i = 0; i < options_.width; ++i) fmt::format_to(std::back_inserter(header), ",e{}", i);
    header += "\n";
    return output_.append(header);
  }

  Status write(const OutputRecord& record) override {
    rows_.clear();
    const std::string id = quoted(*record.id);
    for (std::size_t at = 0; at < record.values.size(); at += options_.width) {
      fmt::format_to(std::back_inserter(rows_), "{},{},{},", record.index, id, record.tokens);
      if (options_.per_token) fmt::format_to(std::back_inserter(rows_), "{},", at / options_.width);
      rows_ += record.truncated ? "true" : "false";
      for (const float value : record.values.subspan(at, options_.width)) {
        rows_ += ',';
        append_float(rows_, value);
      }
      rows_ += "\n";
    }
    if (auto status = output_.append(rows_); !status.ok()) return status;
    ++records_;
    return {};
  }

 private:
  static std::string quoted(const std::optional<RecordId>& id) {
    if (!id) return {};
    std::string field(2 * id->text.size() + 2, '\0');  // every character may be a quote
    field.resize(csv_write(field.data(), field.size(), id->text.data(), id->text.size()));
    return field;
  }

  std::string rows_;
};

class F32Writer final : public RecordWriter {
 public:
  using RecordWriter::RecordWriter;

  Status write(const OutputRecord& record) override {
    const std::string_view bytes(reinterpret_cast<const char*>(record.values.data()),
                                 record.values.size_bytes());
    if (auto status = output_.append(bytes); !status.ok()) return status;
    ++records_;
    return {};
  }
};

}  // namespace

std::unique_ptr<RecordWriter> make_record_writer(OutputFile output, const WriterOptions& options) {
  switch (options.format) {
    case OutputFormat::kCsv:
      return std::make_unique<CsvWriter>(std::move(output), options);
    case OutputFormat::kNpy:
      return make_npy_writer(std::move(output), options);
    case OutputFormat::kF32:
      return std::make_unique<F32Writer>(std::move(output), options);
    case OutputFormat::kJsonl:
      break;
  }
  return std::make_unique<JsonlWriter>(std::move(output), options);
}

}  // namespace gemvec::cli
