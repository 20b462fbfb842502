#include "fetch/storage.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/try.h"

namespace gemvec::fetch {

namespace fs = std::filesystem;

Layout::Layout(const fs::path& cache_folder, const Release& release)
    : cache(cache_folder),
      model(cache / "models" / release.name),
      lock(cache / "models" / (release.name + ".lock")),
      downloads(cache / "downloads" / release.name),
      files(downloads / "files"),
      parts(downloads / "parts"),
      chunks(downloads / "chunks"),
      wheels(downloads / "wheels"),
      unpacked(downloads / "unpacked"),
      wrong(downloads / "wrong"),
      verified(cache / "verified") {}

Result<OpenFile> OpenFile::open(const fs::path& path, int flags) {
  OpenFile file;
  file.path_ = path;
  file.fd_ = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (file.fd_ < 0) return base::os_error("open", path, errno);
  return file;
}

OpenFile::OpenFile(OpenFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

OpenFile& OpenFile::operator=(OpenFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}

OpenFile::~OpenFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status OpenFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return base::os_error("write", path_, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Status OpenFile::sync() {
  if (::fsync(fd_) != 0) return base::os_error("flush", path_, errno);
  return {};
}

Status make_folder(const fs::path& folder) {
  std::error_code code;
  fs::create_directories(folder, code);
  if (code)
    return Error{ErrorCode::kIo, folder.string() + ": cannot create the folder: " + code.message() + "."};
  return {};
}

Status place_file(const fs::path& from, const fs::path& to) {
  GEMVEC_CHECK_OK(make_folder(to.parent_path()));
  {
    GEMVEC_TRY(file, OpenFile::open(from, O_RDONLY));
    GEMVEC_CHECK_OK(file.sync());
  }
  return move_path(from, to);
}

Status move_path(const fs::path& from, const fs::path& to) {
  GEMVEC_CHECK_OK(make_folder(to.parent_path()));
  if (::rename(from.c_str(), to.c_str()) != 0) return base::os_error("move to " + to.string(), from, errno);
  GEMVEC_TRY(folder, OpenFile::open(to.parent_path(), O_RDONLY | O_DIRECTORY));
  // Some network disks cannot flush a folder; the rename itself has happened.
  (void)folder.sync();
  return {};
}

void remove_quietly(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

std::uint64_t size_of(const fs::path& path) {
  std::error_code code;
  const auto size = fs::file_size(path, code);
  return code ? 0 : size;
}

Status require_space(const Release& release, const fs::path& folder, std::uint64_t bytes) {
  std::uint64_t available = 0;
  if (release.free_bytes) {
    GEMVEC_TRY(injected, release.free_bytes(folder));
    available = injected;
  } else {
    struct statvfs info {};
    if (::statvfs(folder.c_str(), &info) != 0)
      return base::os_error("ask for the free space of", folder, errno);
    available = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  }
  if (available >= bytes) return {};
  return Error{
      ErrorCode::kIo,
      fmt::format("{}: fetching the model needs {} bytes ({:.2f} GB) of free disk space here, and {} "
                  "bytes ({:.2f} GB) are free.",
                  folder.string(), bytes, static_cast<double>(bytes) * 1e-9, available,
                  static_cast<double>(available) * 1e-9)};
}

}  // namespace gemvec::fetch
