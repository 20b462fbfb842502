// A file's bytes as read-only memory, shared between processes, or copied piece by piece.
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
  // Copies bytes().subspan(at, out.size()) out of the file and not through the map: what is read at places
  // far apart, once each, does not count as this process's memory, 16 pages a place, and a file cut short is
  // an error. Allocates nothing; any number of threads at once. Errors: kIo, which names the file. REQUIRES:
  // at + out.size() <= bytes().size().
  Status read(std::size_t at, std::span<std::byte> out) const;
  // Whether `byte` is one of bytes().
  [[nodiscard]] bool contains(const std::byte* byte) const;
  // Pages that were read count as this process's memory until then, and are read again when they are needed
  // again.
  void release_pages() const;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  int fd_ = -1;  // stays open: the file is read also when it has been deleted
  std::filesystem::path path_;
};

}  // namespace gemvec::base
