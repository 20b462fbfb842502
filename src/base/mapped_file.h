// A file's bytes as read-only memory, shared between processes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "gemvec/result.h"

namespace gemvec::base {

class MappedFile {
 public:
  // Errors: kNotFound, kIo (not a regular file, no permission).
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  // Valid while this object lives. A file cut short by another process while mapped raises SIGBUS:
  // gemvec's own files are therefore only ever replaced by rename.
  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }
  // Pages that were read count as this process's memory until then, and are read again when they are needed
  // again.
  void release_pages() const;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace gemvec::base
