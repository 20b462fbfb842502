#include "convert/output.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <string>
#include <system_error>

#include "base/try.h"

namespace gemvec::convert {

namespace fs = std::filesystem;

Result<OutputFile> OutputFile::create(const fs::path& path) {
  GEMVEC_TRY(file, base::AtomicFile::create(path));
  return OutputFile(std::move(file));
}

Status OutputFile::write(std::span<const std::byte> bytes) {
  GEMVEC_CHECK_OK(file_.write(bytes));
  position_ += bytes.size();
  return {};
}

Status OutputFile::write(std::string_view text) { return write(std::as_bytes(std::span(text))); }

Status OutputFile::pad_to(std::uint64_t position) {
  assert(position >= position_);
  static constexpr std::array<std::byte, 4096> kZeros{};  // a page: no alignment asks for more
  while (position_ < position) {
    const std::uint64_t count = std::min<std::uint64_t>(position - position_, kZeros.size());
    GEMVEC_CHECK_OK(write(std::span(kZeros).first(count)));
  }
  return {};
}

Status write_file(const fs::path& path, std::string_view text) {
  GEMVEC_TRY(file, OutputFile::create(path));
  GEMVEC_CHECK_OK(file.write(text));
  return file.commit();
}

Result<StagedFolder> StagedFolder::create(const fs::path& target) {
  static std::atomic<unsigned> counter{0};
  StagedFolder folder;
  folder.target_ = target;
  fs::path path = target;
  path += "." + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".tmp";
  std::error_code error;
  if (!fs::create_directory(path, error)) {
    return base::os_error("create", path, error ? error.value() : EEXIST);
  }
  folder.path_ = std::move(path);
  return folder;
}

StagedFolder::~StagedFolder() {
  if (path_.empty()) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

Status StagedFolder::create_folder(const fs::path& name) const {
  std::error_code error;
  fs::create_directories(path_ / name, error);
  if (error) return base::os_error("create", path_ / name, error.value());
  return {};
}

Status StagedFolder::commit(bool replace) {
  // Onto nothing or an empty folder, rename() does it.
  if (::rename(path_.c_str(), target_.c_str()) == 0) {
    path_.clear();
    return {};
  }
  if (!replace) return base::os_error("rename into place", target_, errno);
  // What is there changes places with the new folder, so that at every moment one of the two has the name.
  // The destructor then removes the old one.
  if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return base::os_error("rename into place", target_, errno);
  // Some file systems cannot do that: there the name is free for a moment.
  fs::path old = path_;
  old += ".old";
  if (::rename(target_.c_str(), old.c_str()) != 0) return base::os_error("rename", target_, errno);
  if (::rename(path_.c_str(), target_.c_str()) != 0) {
    const int code = errno;
    ::rename(old.c_str(), target_.c_str());
    return base::os_error("rename into place", target_, code);
  }
  path_ = std::move(old);
  return {};
}

std::uint64_t bytes_below(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    const auto size = fs::file_size(path, error);
    return error ? 0 : size;
  }
  std::uint64_t bytes = 0;
  fs::recursive_directory_iterator at(path, error);
  for (const fs::recursive_directory_iterator end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored)) bytes += at->file_size(ignored);
  }
  return bytes;
}

}  // namespace gemvec::convert
