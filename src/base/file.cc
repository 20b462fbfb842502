#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/try.h"

namespace gemvec::base {

namespace {

Status write_all(int fd, const std::byte* data, std::size_t size, const std::filesystem::path& path) {
  while (size > 0) {
    const ssize_t written = ::write(fd, data, size);
    if (written < 0) {
      if (errno == EINTR) continue;
      return os_error("write", path, errno);
    }
    data += written;
    size -= static_cast<std::size_t>(written);
  }
  return {};
}

}  // namespace

Error os_error(std::string_view verb, const std::filesystem::path& path, int errno_value) {
  const auto code = errno_value == ENOENT || errno_value == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo;
  return {code, path.string() + ": cannot " + std::string(verb) + ": " +
                    std::generic_category().message(errno_value) + "."};
}

Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return os_error("open", path, errno);
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return Error{ErrorCode::kIo, path.string() + ": expected a regular file."};
  }
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size > max_bytes) {
    ::close(fd);
    return Error{ErrorCode::kBadFormat, path.string() + ": expected at most " + std::to_string(max_bytes) +
                                            " bytes, found " + std::to_string(size) + "."};
  }
  std::string text(size, '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t got = ::read(fd, text.data() + done, text.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int code = errno;
      ::close(fd);
      return os_error("read", path, code);
    }
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  ::close(fd);
  text.resize(done);
  return text;
}

Result<AtomicFile> AtomicFile::create(const std::filesystem::path& path) {
  static std::atomic<unsigned> counter{0};
  AtomicFile file;
  file.target_ = path;
  file.temporary_ = path;
  file.temporary_ += "." + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".tmp";
  file.fd_ = ::open(file.temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file.fd_ < 0) {
    const int code = errno;
    return os_error("create", std::exchange(file.temporary_, {}), code);
  }
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)),
      mapping_(std::exchange(other.mapping_, {})) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  std::swap(target_, other.target_);
  std::swap(temporary_, other.temporary_);
  std::swap(fd_, other.fd_);
  std::swap(mapping_, other.mapping_);
  return *this;
}

AtomicFile::~AtomicFile() {
  if (!mapping_.empty()) ::munmap(mapping_.data(), mapping_.size());
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
  return write_all(fd_, bytes.data(), bytes.size(), temporary_);
}

Result<std::span<std::byte>> AtomicFile::map(std::size_t size) {
  if (const int code = ::posix_fallocate(fd_, 0, static_cast<off_t>(size)); code != 0) {
    return os_error("reserve " + std::to_string(size) + " bytes", temporary_, code);
  }
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (data == MAP_FAILED) return os_error("map", temporary_, errno);
  mapping_ = {static_cast<std::byte*>(data), size};
  return mapping_;
}

Status AtomicFile::commit(Durability durability) {
  if (!mapping_.empty()) {
    const auto mapping = std::exchange(mapping_, {});
    ::munmap(mapping.data(), mapping.size());
  }
  if (durability == Durability::kDisk && ::fsync(fd_) != 0) return os_error("flush", temporary_, errno);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0)
    return os_error("rename into place", target_, errno);
  ::close(std::exchange(fd_, -1));
  return {};
}

Result<FileLock> FileLock::open(const std::filesystem::path& path) {
  FileLock lock;
  lock.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock.fd_ < 0) return os_error("open", path, errno);
  return lock;
}

Result<FileLock> FileLock::acquire(const std::filesystem::path& path) {
  GEMVEC_TRY(lock, open(path));
  while (::flock(lock.fd_, LOCK_EX) != 0) {
    if (errno != EINTR) return os_error("lock", path, errno);
  }
  return lock;
}

Result<std::optional<FileLock>> FileLock::try_acquire(const std::filesystem::path& path) {
  GEMVEC_TRY(lock, open(path));
  if (::flock(lock.fd_, LOCK_EX | LOCK_NB) == 0) return std::optional<FileLock>(std::move(lock));
  if (errno == EWOULDBLOCK || errno == EINTR) return std::optional<FileLock>();
  return os_error("lock", path, errno);
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace gemvec::base
