// Vectors in the output formats, one record at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "cli/io/output_file.h"
#include "cli/io/text_reader.h"
#include "gemvec/result.h"

namespace gemvec::cli {

enum class OutputFormat {
  kJsonl,  // one object a text
  kCsv,    // one row a vector, with a header
  kNpy,    // one NumPy array, [vectors, width] float32
  kF32,    // little-endian float32, nothing else
};

struct OutputRecord {
  std::uint64_t index = 0;                      // of the text, from 0
  const std::optional<RecordId>* id = nullptr;  // never null
  std::uint32_t tokens = 0;
  bool truncated = false;
  std::span<const float> values;  // [rows, width]; rows is 1 unless there is one vector a token
};

struct WriterOptions {
  OutputFormat format = OutputFormat::kJsonl;
  std::size_t width = 0;   // of a vector
  bool per_token = false;  // records hold one vector a token
};

class RecordWriter {
 public:
  RecordWriter(OutputFile output, WriterOptions options);
  RecordWriter(const RecordWriter&) = delete;
  RecordWriter& operator=(const RecordWriter&) = delete;
  virtual ~RecordWriter() = default;

  // All errors are the output's: kIo.
  virtual Status begin() { return {}; }
  virtual Status write(const OutputRecord& record) = 0;
  // All records have been written: completes the file and gives it its name.
  virtual Status finish();
  // The work stops early: makes a valid file of the whole records so far, without its final name.
  virtual Status stop() { return {}; }

  // Texts whose records a reader of the output can see after finish() or stop().
  [[nodiscard]] virtual std::uint64_t records() const { return records_; }
  [[nodiscard]] const std::string& output_name() const { return output_.name(); }

 protected:
  OutputFile output_;
  WriterOptions options_;
  std::uint64_t records_ = 0;
};

std::unique_ptr<RecordWriter> make_record_writer(OutputFile output, const WriterOptions& options);

}  // namespace gemvec::cli
