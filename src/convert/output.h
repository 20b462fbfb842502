// Where the results go: files written from front to back, and a folder that appears only whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "convert/job.h"
#include "gemvec/result.h"

namespace gemvec::convert {

// Appears under its name on commit().
class OutputFile {
 public:
  // Errors: kNotFound, kIo.
  static Result<OutputFile> create(const std::filesystem::path& path);

  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text);
  // Zeros up to `position`. REQUIRES: not behind it already
  Status pad_to(std::uint64_t position);
  [[nodiscard]] std::uint64_t position() const { return position_; }
  Status commit() { return file_.commit(); }

 private:
  explicit OutputFile(base::AtomicFile file) : file_(std::move(file)) {}
  base::AtomicFile file_;
  std::uint64_t position_ = 0;
};

// A whole small file. Errors: kNotFound, kIo.
Status write_file(const std::filesystem::path& path, std::string_view text);

// A folder that is filled under another name beside its own. Destroyed without commit(), it leaves nothing.
class StagedFolder {
 public:
  // Errors: kNotFound, kIo.
  static Result<StagedFolder> create(const std::filesystem::path& target);

  StagedFolder(StagedFolder&& other) noexcept
      : target_(std::move(other.target_)), path_(std::exchange(other.path_, {})) {}
  StagedFolder& operator=(StagedFolder&&) = delete;
  ~StagedFolder();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }  // where to write
  // A folder inside, which may be there already. Errors: kIo.
  Status create_folder(const std::filesystem::path& name) const;
  // Puts it in its place, where nothing is or an empty folder; with `replace`, what is there is removed.
  // Errors: kIo.
  Status commit(bool replace);

 private:
  StagedFolder() = default;
  std::filesystem::path target_, path_;
};

// Bytes of all files below a path, or of the one file that it is.
std::uint64_t bytes_below(const std::filesystem::path& path);

}  // namespace gemvec::convert
