// Where a fetch keeps things on disk, and the few file operations it needs beyond base/file.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "fetch/release.h"
#include "gemvec/result.h"

namespace gemvec::fetch {

// The cache folder, by the release's name:
//   models/NAME/            whole, every file verified; appears by rename
//   models/NAME.lock        held by the process that fetches
//   downloads/NAME/files/   verified files of a model that is not whole yet; becomes models/NAME
//   downloads/NAME/parts/   files of the hub on their way, resumable
//   downloads/NAME/chunks/  chunks of the mirror, each whole and verified
//   downloads/NAME/wheels/  pip's, emptied at every start
//   downloads/NAME/unpacked/  a file of the mirror's zip on its way, not resumable
//   downloads/NAME/wrong/   files found in models/NAME that are not the release's
//   verified/KEY.json       what is known of folders that the user named
struct Layout {
  Layout(const std::filesystem::path& cache, const Release& release);
  std::filesystem::path cache, model, lock, downloads, files, parts, chunks, wheels, unpacked, wrong,
      verified;
};

// A file descriptor that closes itself.
class OpenFile {
 public:
  // open(2) with O_CLOEXEC added, mode 0644. Errors: kNotFound, kIo.
  static Result<OpenFile> open(const std::filesystem::path& path, int flags);

  OpenFile(OpenFile&& other) noexcept;
  OpenFile& operator=(OpenFile&& other) noexcept;
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile();

  [[nodiscard]] int fd() const { return fd_; }
  // All of it, at the file's position. Errors: kIo (disk full, ...).
  Status write(std::span<const std::byte> bytes);
  // Errors: kIo.
  Status sync();

 private:
  OpenFile() = default;
  std::filesystem::path path_;
  int fd_ = -1;
};

// With the folders above it. Errors: kIo.
Status make_folder(const std::filesystem::path& folder);

// fsync of a file already written, then a rename into place (the folder is made if need be), so that
// not even a power cut leaves a file of the right name and the wrong bytes. Errors: kNotFound, kIo.
Status place_file(const std::filesystem::path& from, const std::filesystem::path& to);

// rename(2), and the parent folder flushed. Errors: kNotFound, kIo.
Status move_path(const std::filesystem::path& from, const std::filesystem::path& to);

// Everything below it too. No error if there is nothing.
void remove_quietly(const std::filesystem::path& path);

// Size of a regular file, 0 if there is none.
std::uint64_t size_of(const std::filesystem::path& path);

// Errors: kIo, with how many bytes are needed where, if `folder`'s disk has fewer free.
Status require_space(const Release& release, const std::filesystem::path& folder, std::uint64_t bytes);

}  // namespace gemvec::fetch
