// Is this folder the release? Answered by size and SHA-256, and remembered by size and time of change,
// so that the second answer costs a few stat() calls.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "fetch/monitor.h"
#include "fetch/release.h"
#include "gemvec/result.h"

namespace gemvec::fetch {

// The record inside a model folder of the cache. A file like any other: deleting it costs one hashing.
inline constexpr const char* kMarkerName = ".gemvec-verified.json";

struct FileRecord {
  std::uint64_t bytes = 0;
  std::int64_t mtime_ns = 0;
  std::string sha256;
  bool operator==(const FileRecord&) const = default;
};
using FolderRecord = std::map<std::string, FileRecord>;  // by ReleaseEntry::path

// An absent or unreadable record is an empty one: everything is then hashed.
FolderRecord read_record(const std::filesystem::path& path);
// Errors: kNotFound, kIo.
Status write_record(const std::filesystem::path& path, const FolderRecord& record);

enum class FileState { kMissing, kMatches, kOtherSize, kOtherBytes };

struct FileFinding {
  const ReleaseEntry* entry = nullptr;
  FileState state = FileState::kMissing;
  std::uint64_t bytes = 0;  // found
  std::string sha256;       // found; empty if it was not hashed
};

struct FolderCheck {
  std::vector<FileFinding> files;  // in the release's order
  FolderRecord record;             // what is known now
  bool hashed = false;             // so `record` is worth writing

  [[nodiscard]] bool whole() const;
};

// By stat() and the record alone: true if every file of the release is known to be right.
bool is_known_whole(const std::filesystem::path& folder, const Release& release, const FolderRecord& record);

// Hashes what the record does not know; a file of another size is not hashed. `source` is for progress.
// Errors: kIo (a file that cannot be read), kCancelled.
Result<FolderCheck> check_folder(const std::filesystem::path& folder, const Release& release,
                                 const FolderRecord& record, std::string_view source, Monitor& monitor);

// The record's row of a file whose hash is known. Errors: kNotFound, kIo.
Result<FileRecord> record_of(const std::filesystem::path& file, const std::string& sha256);

// "PATH: expected N bytes with SHA-256 X, found ...". REQUIRES: the file differs.
std::string describe_difference(const std::filesystem::path& folder, const FileFinding& finding);

}  // namespace gemvec::fetch
