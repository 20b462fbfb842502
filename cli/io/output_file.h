// Where a command's data goes, in whole records: standard output, or a file that appears under its
// name only when it is complete.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gemvec/result.h"

namespace gemvec::cli {

class OutputFile {
 public:
  // "" and "-" are standard output. A regular (or new) file is written as PATH.part and renamed by
  // commit(); what is left in PATH.part otherwise is whole records. Pipes and devices are written
  // directly. Errors: kNotFound, kIo (also: another process is writing PATH.part).
  static Result<OutputFile> open(const std::string& path);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  // Appends one record. If it does not fit as a whole, a regular file is cut back to what it had.
  // Errors: kIo (disk full, closed pipe, ...).
  Status append(std::string_view record);

  // Replaces bytes that were appended before, counted from the first byte this object wrote.
  // REQUIRES: patchable()
  Status patch(std::uint64_t offset, std::string_view bytes);
  [[nodiscard]] bool patchable() const { return patchable_; }

  // Everything has been appended: makes it durable and gives the file its name. Errors: kIo.
  Status commit();

  // The file that now holds the data: PATH.part before commit(), "standard output", ...
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  OutputFile() = default;
  static Result<OutputFile> open_direct(const std::string& path);
  static Result<OutputFile> open_beside(const std::string& path);
  static OutputFile standard_output();
  void cut_back() const;

  int fd_ = -1;
  bool owned_ = false;         // standard output is not ours to close
  bool regular_ = false;       // can be cut back
  bool patchable_ = false;     // regular, and not opened for appending only
  std::uint64_t start_ = 0;    // where in the file our first byte is
  std::uint64_t written_ = 0;  // whole records, in bytes
  std::string name_;
  std::string final_path_;  // empty if commit() renames nothing
};

}  // namespace gemvec::cli
