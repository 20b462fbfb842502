#include "fetch/folder_check.h"

#include <sys/stat.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <optional>

#include "base/file.h"
#include "base/json.h"
#include "base/try.h"
#include "fetch/digest.h"

namespace gemvec::fetch {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr std::uint64_t kMaxRecordBytes = 1 << 20;  // ours has 15 files and 3 kB

// Size and time of a regular file; empty if there is none. Links are followed: a hub client's own
// cache is made of them.
std::optional<FileRecord> stat_file(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  FileRecord found;
  found.bytes = static_cast<std::uint64_t>(info.st_size);
  found.mtime_ns = std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  return found;
}

const FileRecord* known(const FolderRecord& record, const std::string& path, const FileRecord& found) {
  const auto row = record.find(path);
  if (row == record.end()) return nullptr;
  const bool unchanged = row->second.bytes == found.bytes && row->second.mtime_ns == found.mtime_ns;
  return unchanged ? &row->second : nullptr;
}

std::optional<FileRecord> parse_row(const json::value& value) {
  const auto* row = value.if_object();
  if (row == nullptr) return {};
  const auto* bytes = row->if_contains("bytes");
  const auto* mtime = row->if_contains("mtime_ns");
  const auto* hash = row->if_contains("sha256");
  if (bytes == nullptr || mtime == nullptr || hash == nullptr) return {};
  if (!bytes->is_int64() || !mtime->is_int64() || !hash->is_string()) return {};
  return FileRecord{static_cast<std::uint64_t>(bytes->get_int64()), mtime->get_int64(),
                    std::string(hash->get_string())};
}

}  // namespace

FolderRecord read_record(const fs::path& path) {
  FolderRecord record;
  const auto parsed = base::read_json(path, kMaxRecordBytes);
  if (!parsed.ok() || !parsed->is_object()) return record;
  const auto* files = parsed->get_object().if_contains("files");
  if (files == nullptr || !files->is_object()) return record;
  for (const auto& member : files->get_object()) {
    if (auto row = parse_row(member.value())) record[std::string(member.key())] = *row;
  }
  return record;
}

Status write_record(const fs::path& path, const FolderRecord& record) {
  json::object files;
  for (const auto& [name, row] : record)
    files[name] = {{"bytes", row.bytes}, {"mtime_ns", row.mtime_ns}, {"sha256", row.sha256}};
  const std::string text = json::serialize(json::object{{"files", std::move(files)}}) + "\n";
  GEMVEC_TRY(file, base::AtomicFile::create(path));
  GEMVEC_CHECK_OK(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

bool FolderCheck::whole() const {
  return std::all_of(files.begin(), files.end(),
                     [](const FileFinding& file) { return file.state == FileState::kMatches; });
}

bool is_known_whole(const fs::path& folder, const Release& release, const FolderRecord& record) {
  return std::all_of(release.files.begin(), release.files.end(), [&](const ReleaseEntry& entry) {
    const auto found = stat_file(folder / entry.path);
    const FileRecord* row = found ? known(record, entry.path, *found) : nullptr;
    return row != nullptr && row->bytes == entry.bytes && row->sha256 == entry.sha256;
  });
}

Result<FolderCheck> check_folder(const fs::path& folder, const Release& release, const FolderRecord& record,
                                 std::string_view source, Monitor& monitor) {
  FolderCheck check;
  std::vector<std::size_t> to_hash;
  std::uint64_t total = 0;
  for (const ReleaseEntry& entry : release.files) {
    FileFinding finding{&entry, FileState::kMissing, 0, {}};
    if (const auto found = stat_file(folder / entry.path)) {
      finding.bytes = found->bytes;
      if (found->bytes != entry.bytes) {
        finding.state = FileState::kOtherSize;
      } else if (const FileRecord* row = known(record, entry.path, *found)) {
        finding.sha256 = row->sha256;
        finding.state = row->sha256 == entry.sha256 ? FileState::kMatches : FileState::kOtherBytes;
        check.record[entry.path] = *row;
      } else {
        to_hash.push_back(check.files.size());
        total += entry.bytes;
      }
    }
    check.files.push_back(std::move(finding));
  }

  if (!to_hash.empty()) monitor.begin(source, "verifying", total);
  std::uint64_t done = 0;
  for (const std::size_t index : to_hash) {
    FileFinding& finding = check.files[index];
    const ReleaseEntry& entry = *finding.entry;
    const fs::path path = folder / entry.path;
    // Before the hash: a file that changes meanwhile has another time afterwards, and is hashed again.
    const auto before = stat_file(path);
    GEMVEC_TRY(hash,
               hash_file(path, [&](std::uint64_t read) { return monitor.update(entry.path, done + read); }));
    finding.sha256 = hash;
    finding.state = hash == entry.sha256 ? FileState::kMatches : FileState::kOtherBytes;
    if (before) check.record[entry.path] = {before->bytes, before->mtime_ns, hash};
    check.hashed = true;
    done += entry.bytes;
  }
  return check;
}

Result<FileRecord> record_of(const fs::path& file, const std::string& sha256) {
  auto found = stat_file(file);
  if (!found) return base::os_error("examine", file, ENOENT);
  found->sha256 = sha256;
  return *found;
}

std::string describe_difference(const fs::path& folder, const FileFinding& finding) {
  const ReleaseEntry& entry = *finding.entry;
  const std::string path = (folder / entry.path).string();
  if (finding.sha256.empty()) {
    return path + ": expected " + std::to_string(entry.bytes) + " bytes as released, found " +
           std::to_string(finding.bytes) + ".";
  }
  return path + ": expected the release's SHA-256 " + entry.sha256 + ", found " + finding.sha256 + ".";
}

}  // namespace gemvec::fetch
