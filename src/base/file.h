// Small things about files that every room needs: whole reads, atomic writes, locks, messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "gemvec/result.h"

namespace gemvec::base {

// "FILE: cannot VERB: REASON." ENOENT becomes kNotFound, everything else kIo.
Error os_error(std::string_view verb, const std::filesystem::path& path, int errno_value);

// The whole file. Errors: kNotFound, kIo, kBadFormat if it is larger than max_bytes.
Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t max_bytes);

// What a committed file must survive.
enum class Durability {
  kDisk,     // a power cut right after commit()
  kProcess,  // the end of this process: for caches that carry a checksum and can be made again
};

// Writes a file beside `path` and renames it into place on commit(), so that nobody ever sees half of
// it. Destroyed without commit(), it leaves nothing behind.
class AtomicFile {
 public:
  // Creates PATH.PID-N.tmp in the same folder. Errors: kNotFound, kIo.
  static Result<AtomicFile> create(const std::filesystem::path& path);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  // Appends. Errors: kIo (disk full, ...).
  Status write(std::span<const std::byte> bytes);
  // Instead of write(): the whole file as memory to be filled, zeroed, valid until commit(). The disk's space
  // is reserved first, so that a full disk is an error here and not a signal later. Errors: kIo.
  Result<std::span<std::byte>> map(std::size_t size);
  // Renames over `path`, after fsync unless told otherwise. Errors: kIo.
  Status commit(Durability durability = Durability::kDisk);

 private:
  AtomicFile() = default;
  std::filesystem::path target_, temporary_;
  int fd_ = -1;
  std::span<std::byte> mapping_;
};

// An exclusive advisory lock between processes, held while the object lives. The lock file stays.
class FileLock {
 public:
  // Waits until the lock is free. Errors: kNotFound, kIo.
  static Result<FileLock> acquire(const std::filesystem::path& path);
  // Does not wait: empty while another process, or another thread, holds it. Errors: kNotFound, kIo.
  static Result<std::optional<FileLock>> try_acquire(const std::filesystem::path& path);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();

 private:
  static Result<FileLock> open(const std::filesystem::path& path);  // not locked yet
  FileLock() = default;
  int fd_ = -1;
};

}  // namespace gemvec::base
