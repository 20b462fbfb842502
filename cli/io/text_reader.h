// Texts, or token ids, from files in any of the input formats, one record at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/io/line_reader.h"
#include "gemvec/result.h"

namespace gemvec::cli {

enum class InputFormat {
  kLines,  // one text a line; an empty line is an empty text
  kJsonl,  // one JSON string or object a line; blank lines are passed over
  kCsv,    // RFC 4180 with a header row
  kFile,   // a whole file is one text
};

struct ReaderOptions {
  InputFormat format = InputFormat::kLines;
  std::string field = "text";   // JSON member or CSV column that holds the text (or the ids)
  std::string title_field;      // member or column with a document's title; empty = not looked for
  std::string id_field = "id";  // member or column carried through to the output
  bool ids = false;             // token ids instead of text
  std::size_t max_record_bytes = kMaxRecordBytes;
};

// A record's own name, carried through to the output.
struct RecordId {
  std::string text;        // a string's characters, or any other value as JSON
  bool is_string = false;  // whether JSON output puts it in quotes
};

struct TextRecord {
  std::string text;               // empty with ReaderOptions::ids
  std::vector<std::int32_t> ids;  // only with ReaderOptions::ids
  std::optional<std::string> title;
  std::optional<RecordId> id;
  std::string where;  // "FILE:LINE", for messages
};

// The records of one stream.
class RecordSource {
 public:
  RecordSource() = default;
  RecordSource(const RecordSource&) = delete;
  RecordSource& operator=(const RecordSource&) = delete;
  virtual ~RecordSource() = default;

  // Fills `record` (which is empty); false at the end.
  // Errors: kIo, kCancelled, kBadFormat "FILE:LINE: what is wrong with which field".
  virtual Result<bool> next(TextRecord& record) = 0;
  // Whether next() can probably answer without waiting for input.
  [[nodiscard]] virtual bool ready() const = 0;
  [[nodiscard]] virtual std::uint64_t bytes_done() const = 0;
};

std::unique_ptr<RecordSource> make_record_source(LineReader lines, const ReaderOptions& options);

// The records of several files, one file after another.
class TextReader {
 public:
  // No files mean standard input, as "-" does.
  TextReader(std::vector<std::string> files, ReaderOptions options);

  // As RecordSource::next; errors also kNotFound.
  Result<bool> next(TextRecord& record);
  [[nodiscard]] bool ready() const { return !source_ || source_->ready(); }

  [[nodiscard]] std::uint64_t bytes_done() const;
  [[nodiscard]] std::uint64_t bytes_total() const { return bytes_total_; }  // 0 = unknown

 private:
  std::vector<std::string> files_;
  ReaderOptions options_;
  std::size_t next_file_ = 0;
  std::unique_ptr<RecordSource> source_;
  std::uint64_t bytes_before_ = 0;  // of the files that have ended
  std::uint64_t bytes_total_ = 0;
};

}  // namespace gemvec::cli
