// Whole records to standard output or to a file that is renamed when it is complete.
#include "cli/io/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "cli/io/os_error.h"

namespace gemvec::cli {

namespace fs = std::filesystem;

namespace {

constexpr mode_t kNewFileMode = 0666;  // the umask takes away what the user does not want
constexpr mode_t kPermissionBits = 07777;

// Writes all of it. Returns 0 or errno.
int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return 0;
}

bool is_named(int fd, const std::string& path) {
  struct stat open_file = {};
  struct stat named_file = {};
  return fstat(fd, &open_file) == 0 && stat(path.c_str(), &named_file) == 0 &&
         open_file.st_dev == named_file.st_dev && open_file.st_ino == named_file.st_ino;
}

// Files below /dev and /proc are windows to something else: nothing may be created beside them.
bool is_window(const std::string& path) { return path.starts_with("/dev/") || path.starts_with("/proc/"); }

}  // namespace

OutputFile::OutputFile(OutputFile&& other) noexcept { *this = std::move(other); }

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  if (this == &other) return *this;
  if (owned_) close(fd_);
  fd_ = std::exchange(other.fd_, -1);
  owned_ = std::exchange(other.owned_, false);
  regular_ = other.regular_;
  patchable_ = other.patchable_;
  start_ = other.start_;
  written_ = other.written_;
  name_ = std::move(other.name_);
  final_path_ = std::move(other.final_path_);
  return *this;
}

OutputFile::~OutputFile() {
  if (owned_) close(fd_);
}

OutputFile OutputFile::standard_output() {
  OutputFile file;
  file.fd_ = STDOUT_FILENO;
  file.name_ = "standard output";
  struct stat info = {};
  if (fstat(file.fd_, &info) != 0 || !S_ISREG(info.st_mode)) return file;
  const bool appending = (fcntl(file.fd_, F_GETFL) & O_APPEND) != 0;
  const off_t position = appending ? info.st_size : lseek(file.fd_, 0, SEEK_CUR);
  if (position < 0) return file;
  file.regular_ = true;
  file.patchable_ = !appending;  // Linux appends what pwrite() is given, whatever its offset
  file.start_ = static_cast<std::uint64_t>(position);
  return file;
}

Result<OutputFile> OutputFile::open_direct(const std::string& path) {
  OutputFile file;
  file.fd_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file.fd_ < 0) return os_error("open", path, errno);
  file.owned_ = true;
  file.name_ = path;
  return file;
}

Result<OutputFile> OutputFile::open_beside(const std::string& path) {
  OutputFile file;
  file.final_path_ = path;
  std::error_code error;
  // Through a link, the file that it points to is replaced, not the link.
  if (fs::is_symlink(path, error)) file.final_path_ = fs::weakly_canonical(path, error).string();
  file.name_ = file.final_path_ + ".part";
  file.fd_ = ::open(file.name_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kNewFileMode);
  if (file.fd_ < 0) return os_error("create", file.name_, errno);
  file.owned_ = true;
  // Locked, and still under this name: a process that had it may just have renamed it.
  if (flock(file.fd_, LOCK_EX | LOCK_NB) != 0 || !is_named(file.fd_, file.name_)) {
    return Error{ErrorCode::kIo, fmt::format("{}: another process is writing this file.", file.name_)};
  }
  if (ftruncate(file.fd_, 0) != 0) return os_error("empty", file.name_, errno);
  struct stat old = {};
  if (stat(file.final_path_.c_str(), &old) == 0) fchmod(file.fd_, old.st_mode & kPermissionBits);
  file.regular_ = file.patchable_ = true;
  return file;
}

Result<OutputFile> OutputFile::open(const std::string& path) {
  if (path.empty() || path == "-" || path == "/dev/stdout") return standard_output();
  struct stat info = {};
  const bool exists = stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode)) return os_error("write", path, EISDIR);
  if (is_window(path) || (exists && !S_ISREG(info.st_mode))) return open_direct(path);
  return open_beside(path);
}

void OutputFile::cut_back() const {
  if (!regular_) return;
  const auto size = static_cast<off_t>(start_ + written_);
  // Both can only fail where the write just failed too, and that is what is reported.
  if (ftruncate(fd_, size) == 0) lseek(fd_, size, SEEK_SET);
}

Status OutputFile::append(std::string_view record) {
  if (const int error = write_all(fd_, record); error != 0) {
    cut_back();
    return os_error("write", name_, error);
  }
  written_ += record.size();
  return {};
}

Status OutputFile::patch(std::uint64_t offset, std::string_view bytes) {
  auto at = static_cast<off_t>(start_ + offset);
  while (!bytes.empty()) {
    const ssize_t count = pwrite(fd_, bytes.data(), bytes.size(), at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return os_error("write", name_, errno);
    bytes.remove_prefix(static_cast<std::size_t>(count));
    at += count;
  }
  return {};
}

Status OutputFile::commit() {
  if (!owned_) return {};
  if (!final_path_.empty() && fsync(fd_) != 0) return os_error("write", name_, errno);
  owned_ = false;
  if (close(std::exchange(fd_, -1)) != 0) return os_error("write", name_, errno);
  if (final_path_.empty()) return {};
  if (rename(name_.c_str(), final_path_.c_str()) != 0) return os_error("rename", name_, errno);
  name_ = final_path_;
  return {};
}

}  // namespace gemvec::cli
