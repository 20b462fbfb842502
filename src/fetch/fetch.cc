// fetch_model(): a folder that the user names, else the cache, else the hub, else the mirror.
#include "gemvec/fetch.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/try.h"
#include "fetch/digest.h"
#include "fetch/fetcher.h"
#include "fetch/folder_check.h"
#include "fetch/job.h"
#include "fetch/monitor.h"
#include "fetch/storage.h"
#include "gemvec/embedder.h"  // tidy: allow(rooms) for default_cache_dir() only: one answer for all

namespace gemvec::fetch {

namespace fs = std::filesystem;

Status accept_file(Job& job, const ReleaseEntry& entry, const fs::path& verified) {
  const fs::path target = job.layout.files / entry.path;
  GEMVEC_CHECK_OK(place_file(verified, target));
  GEMVEC_TRY(row, record_of(target, entry.sha256));
  job.record[entry.path] = row;
  std::erase(job.missing, &entry);
  return write_record(job.layout.files / kMarkerName, job.record);
}

Error checksum_error(std::string_view source, std::string_view file, std::string_view expected,
                     std::string_view found) {
  return {ErrorCode::kChecksum, std::string(file) + ": expected SHA-256 " + std::string(expected) +
                                    ", found " + std::string(found) + " in what " + std::string(source) +
                                    " sent."};
}

namespace {

// --- a folder that the user names -------------------------------------------------------------------

// Differences and gaps of a folder that is the user's own business: told, not refused.
void note_differences(const FolderCheck& check, const fs::path& folder, std::vector<std::string>& notes) {
  for (const FileFinding& file : check.files) {
    if (file.state == FileState::kMissing)
      notes.push_back((folder / file.entry->path).string() + ": not there; gemvec can do without it.");
    else if (file.state != FileState::kMatches)
      notes.push_back(describe_difference(folder, file));
  }
}

Result<FetchedModel> use_given(const Release& release, const fs::path& folder, const std::string& named_by,
                               const Layout& layout, Monitor& monitor) {
  std::error_code code;
  if (!fs::is_directory(folder, code))
    return Error{ErrorCode::kNotFound,
                 folder.string() + ": expected a model folder, named by " + named_by + "."};
  for (const ReleaseEntry& entry : release.files) {
    if (entry.needed && !fs::is_regular_file(folder / entry.path, code))
      return Error{ErrorCode::kNotFound, (folder / entry.path).string() +
                                             ": expected this file in the model folder named by " + named_by +
                                             "."};
  }
  FetchedModel model;
  model.path = folder;
  model.source = "given";

  // Hashing a gigabyte is for folders that can be the release: one other size, and it is not.
  const bool sizes_equal =
      std::all_of(release.files.begin(), release.files.end(), [&](const ReleaseEntry& entry) {
        std::error_code missing;
        const auto size = fs::file_size(folder / entry.path, missing);
        return missing ? !entry.needed : size == entry.bytes;
      });
  if (!sizes_equal) {
    for (const ReleaseEntry& entry : release.files) {
      const auto size = size_of(folder / entry.path);
      if (size != entry.bytes && fs::exists(folder / entry.path, code))
        model.notes.push_back(describe_difference(folder, {&entry, FileState::kOtherSize, size, {}}));
    }
    return model;
  }
  Sha256 key;
  const std::string canonical = fs::weakly_canonical(folder, code).string();
  key.update(std::as_bytes(std::span(canonical)));
  GEMVEC_TRY(key_hex, key.finish());
  const fs::path remembered = layout.verified / (key_hex.substr(0, 16) + ".json");
  GEMVEC_TRY(check, check_folder(folder, release, read_record(remembered), "given", monitor));
  // A cache that cannot be written costs time at the next start, nothing else.
  if (check.hashed && !layout.cache.empty() && make_folder(layout.verified).ok())
    (void)write_record(remembered, check.record);
  note_differences(check, folder, model.notes);
  model.verified = std::all_of(check.files.begin(), check.files.end(), [](const FileFinding& file) {
    return file.state == FileState::kMatches || (file.state == FileState::kMissing && !file.entry->needed);
  });
  return model;
}

// --- the cache --------------------------------------------------------------------------------------

// The cache's folder if it is whole. Takes no lock: a folder appears whole, and its files are only
// ever replaced with the folder.
Result<std::optional<FolderCheck>> find_in_cache(const Release& release, const Layout& layout,
                                                 Monitor& monitor) {
  std::error_code code;
  if (!fs::is_directory(layout.model, code)) return std::optional<FolderCheck>();
  const fs::path marker = layout.model / kMarkerName;
  GEMVEC_TRY(check, check_folder(layout.model, release, read_record(marker), "cache", monitor));
  if (check.hashed && check.whole()) (void)write_record(marker, check.record);
  return std::optional(std::move(check));
}

FetchedModel from_cache(const Layout& layout) { return {layout.model, "cache", true, {}}; }

// --- a download -------------------------------------------------------------------------------------

// Waits for another process that fetches into the same cache.
Result<base::FileLock> take_lock(const Layout& layout, Monitor& monitor) {
  GEMVEC_CHECK_OK(make_folder(layout.lock.parent_path()));
  bool told = false;
  while (true) {
    GEMVEC_TRY(lock, base::FileLock::try_acquire(layout.lock));
    if (lock) return std::move(*lock);
    if (!std::exchange(told, true)) monitor.begin("cache", "waiting for another process", 0);
    GEMVEC_CHECK_OK(monitor.update("", 0));
    GEMVEC_CHECK_OK(monitor.sleep(std::chrono::milliseconds(100)));
  }
}

// A model folder that is not whole goes back to where downloads are, less the files that are wrong:
// those are set aside, for they may be somebody's work.
Status demote(const FolderCheck& check, const Layout& layout, std::vector<std::string>& notes) {
  remove_quietly(layout.files);
  GEMVEC_CHECK_OK(move_path(layout.model, layout.files));
  for (const FileFinding& file : check.files) {
    if (file.state == FileState::kMatches || file.state == FileState::kMissing) continue;
    const fs::path aside = layout.wrong / file.entry->path;
    GEMVEC_CHECK_OK(move_path(layout.files / file.entry->path, aside));
    notes.push_back(describe_difference(layout.model, file) + " It was moved to " + aside.string() +
                    " and fetched again.");
  }
  return {};
}

// Records that were being written when their process was killed.
void remove_half_written_records(const fs::path& folder) {
  std::error_code code;
  std::vector<fs::path> found;
  const std::string prefix = std::string(kMarkerName) + ".";
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
    if (it->path().filename().string().starts_with(prefix)) found.push_back(it->path());
  }
  for (const auto& path : found) remove_quietly(path);
}

Result<Job> start_job(const Release& release, const FetchOptions& options, const Layout& layout,
                      Monitor& monitor) {
  GEMVEC_CHECK_OK(make_folder(layout.files));
  remove_quietly(layout.wheels);
  remove_half_written_records(layout.files);
  Job job{release, options, layout, monitor, {}, {}};
  // Files of an interrupted download: those that are right need not come again.
  GEMVEC_TRY(check,
             check_folder(layout.files, release, read_record(layout.files / kMarkerName), "cache", monitor));
  job.record = check.record;
  for (const FileFinding& file : check.files) {
    if (file.state == FileState::kMatches) continue;
    remove_quietly(layout.files / file.entry->path);
    job.record.erase(file.entry->path);
    job.missing.push_back(file.entry);
  }
  return job;
}

// The name of the source that gave the last file, or an error that says what each of them lacked.
Result<std::string> download(Job& job, std::vector<std::string>& notes) {
  if (job.missing.empty()) return std::string("cache");
  std::optional<Error> hub_error;
  if (job.options.allow_hub) {
    auto status = fetch_from_hub(job);
    if (status.ok()) return std::string("hub");
    hub_error = status.error();
    // A full disk is full for the mirror too.
    if (hub_error->code == ErrorCode::kCancelled || hub_error->code == ErrorCode::kIo) return *hub_error;
    if (!job.options.allow_mirror) return *hub_error;
    notes.push_back("The hub was passed over: " + hub_error->message);
  }
  if (!job.options.allow_mirror)
    return Error{ErrorCode::kNotFound,
                 job.layout.model.string() +
                     ": the model is not here, and neither the hub nor the mirror may be asked."};
  auto status = fetch_from_mirror(job);
  if (status.ok()) return std::string("mirror");
  Error error = status.error();
  if (!hub_error || error.code == ErrorCode::kCancelled) return error;
  error.message += " Before that, the hub: " + hub_error->message;
  // What the user can do about it is at the hub.
  if (hub_error->code == ErrorCode::kUnauthorized && error.code != ErrorCode::kIo)
    error.code = ErrorCode::kUnauthorized;
  return error;
}

Result<FetchedModel> fetch_into_cache(const Release& release, const FetchOptions& options,
                                      const Layout& layout, Monitor& monitor) {
  GEMVEC_TRY(lock, take_lock(layout, monitor));
  GEMVEC_TRY(check, find_in_cache(release, layout, monitor));  // another process may have been quicker
  if (check && check->whole()) return from_cache(layout);
  FetchedModel model = from_cache(layout);
  if (check) GEMVEC_CHECK_OK(demote(*check, layout, model.notes));
  GEMVEC_TRY(job, start_job(release, options, layout, monitor));
  GEMVEC_TRY(source, download(job, model.notes));
  model.source = source;
  GEMVEC_CHECK_OK(write_record(layout.files / kMarkerName, job.record));
  GEMVEC_CHECK_OK(move_path(layout.files, layout.model));
  for (const auto& leftover : {layout.parts, layout.chunks, layout.wheels, layout.unpacked})
    remove_quietly(leftover);
  std::error_code ignored;
  fs::remove(layout.downloads, ignored);  // stays if something was set aside
  return model;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

Result<FetchedModel> fetch_release(const Release& release, const FetchOptions& options) {
  Monitor monitor(options);
  const Layout layout(options.cache_dir.empty() ? default_cache_dir() : options.cache_dir, release);
  if (!options.model.empty()) return use_given(release, options.model, "the caller", layout, monitor);
  if (const auto folder = environment("GEMVEC_MODEL"); !folder.empty())
    return use_given(release, folder, "GEMVEC_MODEL", layout, monitor);
  if (layout.cache.empty())
    return Error{ErrorCode::kNotFound,
                 "There is no folder for the model: set GEMVEC_CACHE, XDG_CACHE_HOME or HOME."};
  if (is_known_whole(layout.model, release, read_record(layout.model / kMarkerName)))
    return from_cache(layout);
  GEMVEC_TRY(check, find_in_cache(release, layout, monitor));
  if (check && check->whole()) return from_cache(layout);
  if (!options.offline) return fetch_into_cache(release, options, layout, monitor);
  if (check) {
    for (const FileFinding& file : check->files) {
      if (file.state == FileState::kOtherSize || file.state == FileState::kOtherBytes)
        return Error{ErrorCode::kChecksum, describe_difference(layout.model, file)};
    }
  }
  return Error{
      ErrorCode::kNotFound,
      layout.model.string() +
          ": the model is not here and downloading is switched off; run 'gemvec pull' while online, or set "
          "GEMVEC_MODEL to a folder that has it."};
}

}  // namespace gemvec::fetch

namespace gemvec {

Result<FetchedModel> fetch_model(const FetchOptions& options) {
  return fetch::fetch_release(fetch::embeddinggemma(), options);
}

const std::vector<ReleaseFile>& release_files() {
  static const std::vector<ReleaseFile> files = [] {
    std::vector<ReleaseFile> all;
    for (const auto& entry : fetch::embeddinggemma().files)
      all.push_back({entry.path, entry.sha256, entry.bytes});
    return all;
  }();
  return files;
}

}  // namespace gemvec
