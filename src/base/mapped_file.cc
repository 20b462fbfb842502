#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <string>
#include <utility>

#include "base/file.h"

namespace gemvec::base {

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  MappedFile file;
  file.path_ = path;
  file.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file.fd_ < 0) return os_error("open", path, errno);
  struct stat info {};
  if (::fstat(file.fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    return Error{ErrorCode::kIo, path.string() + ": expected a regular file."};
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size > 0) {
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.fd_, 0);
    if (data == MAP_FAILED) return os_error("map", path, errno);
    file.data_ = static_cast<const std::byte*>(data);
    file.size_ = size;
  }
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

Status MappedFile::read(std::size_t at, std::span<std::byte> out) const {
  assert(at <= size_ && out.size() <= size_ - at);
  while (!out.empty()) {
    const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_error("read", path_, errno);
    if (got == 0) {
      return Error{ErrorCode::kIo, path_.string() + ": was cut short while it was in use: expected " +
                                       std::to_string(size_) + " bytes, found at most " + std::to_string(at) +
                                       "."};
    }
    at += static_cast<std::size_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

bool MappedFile::contains(const std::byte* byte) const {
  const auto place = reinterpret_cast<std::uintptr_t>(byte), begin = reinterpret_cast<std::uintptr_t>(data_);
  return data_ != nullptr && place >= begin && place - begin < size_;
}

void MappedFile::release_pages() const {
  if (data_ == nullptr) return;
  // Of a file that is mapped to be read only, this drops nothing that the file does not have. A failure costs
  // memory and nothing else.
  [[maybe_unused]] const int ignored = ::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace gemvec::base
