#include "engine/cache_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <system_error>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/file.h"
#include "base/piece_hash.h"
#include "base/try.h"

namespace gemvec::engine {

namespace {

namespace fs = std::filesystem;

// Raised whenever the meaning of a byte in the header changes.
constexpr std::uint32_t kFormatVersion = 2;
constexpr std::uint32_t kByteOrder = 0x01020304;  // a machine of the other order reads 0x04030201
constexpr std::size_t kHeaderBytes = 4096;        // a page: the payload stays page-aligned
constexpr char kMagic[8] = {'G', 'E', 'M', 'V', 'E', 'C', 'P', 'K'};

// docs/formats/packed.md describes the file.
struct Header {
  char magic[8];
  std::uint32_t version;
  std::uint32_t byte_order;
  std::uint32_t kind;
  std::uint32_t content_version;
  std::uint64_t header_bytes;
  std::uint64_t payload_bytes;
  std::uint64_t verified_bytes;
  std::uint64_t payload_hash;  // base::hash_pieces() of the verified bytes
  std::uint64_t header_hash;   // of the whole page, with zeros here
};
using HeaderPage = std::array<std::byte, kHeaderBytes>;

std::uint64_t hash_header(HeaderPage page) {
  std::memset(page.data() + offsetof(Header, header_hash), 0, sizeof(Header::header_hash));
  return XXH3_64bits(page.data(), page.size());
}

HeaderPage make_header(const CacheRequest& request, std::span<const std::byte> payload,
                       std::uint64_t verified_bytes, base::ThreadPool* pool) {
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kFormatVersion;
  header.byte_order = kByteOrder;
  header.kind = static_cast<std::uint32_t>(request.kind);
  header.content_version = request.content_version;
  header.header_bytes = kHeaderBytes;
  header.payload_bytes = payload.size();
  header.verified_bytes = verified_bytes;
  header.payload_hash = base::hash_pieces(payload.first(verified_bytes), pool);
  HeaderPage page{};
  std::memcpy(page.data(), &header, sizeof(header));
  header.header_hash = hash_header(page);
  std::memcpy(page.data(), &header, sizeof(header));
  return page;
}

// What is wrong with a header, in the words of the note, or "".
std::string fault_of(const HeaderPage& page, const CacheRequest& request, std::size_t file_bytes) {
  Header header;
  std::memcpy(&header, page.data(), sizeof(header));
  const auto differs = [](std::string_view field, std::uint64_t expected, std::uint64_t found) {
    return fmt::format("{}: expected {}, found {}", field, expected, found);
  };
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) return "expected a file that begins GEMVECPK";
  if (header.byte_order != kByteOrder) return "byte order: expected this machine's, found another's";
  if (header.version != kFormatVersion) return differs("version", kFormatVersion, header.version);
  if (header.header_hash != hash_header(page)) return "checksum of the header differs";
  const auto kind = static_cast<std::uint32_t>(request.kind);
  if (header.kind != kind) return differs("kind", kind, header.kind);
  if (header.content_version != request.content_version)
    return differs("content version", request.content_version, header.content_version);
  if (header.header_bytes != kHeaderBytes) return differs("header bytes", kHeaderBytes, header.header_bytes);
  if (header.payload_bytes != file_bytes - kHeaderBytes)
    return differs("payload bytes", header.payload_bytes, file_bytes - kHeaderBytes);
  if (header.verified_bytes > header.payload_bytes)
    return differs("verified bytes", header.payload_bytes, header.verified_bytes);
  return {};
}

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// What a process that was killed while it wrote has left: FILE.PID-N.tmp. REQUIRES: the lock is held, so that
// nobody is writing one.
void remove_unfinished(const fs::path& path) {
  const std::string prefix = path.filename().string() + ".";
  constexpr std::string_view kEnd = ".tmp";
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(path.parent_path(), error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(kEnd) || name.size() <= prefix.size() + kEnd.size())
      continue;
    const std::string_view middle =
        std::string_view(name).substr(prefix.size(), name.size() - prefix.size() - kEnd.size());
    const std::size_t dash = middle.find('-');
    if (dash == std::string_view::npos || !is_digits(middle.substr(0, dash)) ||
        !is_digits(middle.substr(dash + 1)))
      continue;
    found.push_back(entry->path());
  }
  for (const fs::path& file : found) fs::remove(file, error);
}

Status write_file(const CacheRequest& request, const fs::path& path, const CacheContent& content,
                  base::ThreadPool* pool) {
  remove_unfinished(path);
  GEMVEC_TRY(file, base::AtomicFile::create(path));
  GEMVEC_TRY(block, file.map(kHeaderBytes + content.bytes));
  const auto payload = block.subspan(kHeaderBytes);
  GEMVEC_CHECK_OK(content.fill(payload));
  const HeaderPage header = make_header(request, payload, content.verified_bytes, pool);
  std::memcpy(block.data(), header.data(), header.size());
  // Every load checks the hash, so a file that a power cut tore is noticed and made again: waiting for the
  // disk would only make the first load twice as long.
  return file.commit(base::Durability::kProcess);
}

}  // namespace

Status CacheFile::open(const CacheRequest& request, const fs::path& path, base::ThreadPool* pool) {
  GEMVEC_TRY(file, base::MappedFile::open(path));
  const auto damaged = [&](std::string_view what) {
    return Error{ErrorCode::kBadFormat, fmt::format("{}: {}.", path.string(), what)};
  };
  if (file.bytes().size() < kHeaderBytes)
    return damaged(
        fmt::format("expected a header of {} bytes, found {} bytes", kHeaderBytes, file.bytes().size()));
  HeaderPage page;
  std::memcpy(page.data(), file.bytes().data(), page.size());
  if (const std::string fault = fault_of(page, request, file.bytes().size()); !fault.empty())
    return damaged(fault);
  Header header;
  std::memcpy(&header, page.data(), sizeof(header));
  const auto payload = file.bytes().subspan(kHeaderBytes);
  if (base::hash_pieces(payload.first(header.verified_bytes), pool) != header.payload_hash)
    return damaged("checksum of the payload differs");
  if (request.accept) {
    if (const Status accepted = request.accept(payload, header.verified_bytes); !accepted.ok())
      return Error{ErrorCode::kBadFormat, accepted.error().message};
  }
  mapped_ = std::move(file);
  bytes_ = payload;
  path_ = path;
  return {};
}

// Ends with the payload in a file, mapped, or with the reason why not. `content` is set if it was asked for.
Status CacheFile::through_file(const CacheRequest& request, base::ThreadPool* pool, CacheContent& content,
                               Status& content_status) {
  const fs::path path = request.dir / fmt::format("{}-{}.gvpack", request.key, request.name);
  const Status first = open(request, path, pool);
  from_cache_ = first.ok();
  if (first.ok()) return {};
  if (first.error().code == ErrorCode::kBadFormat) {
    notes_.push_back(fmt::format("{} in the cache were damaged and are made again: {}", request.what,
                                 first.error().message));
  }
  std::error_code ignored;  // a folder that cannot be made shows when the lock cannot be made
  fs::create_directories(request.dir, ignored);
  // Another process may be making the same file: whoever comes second finds it done.
  GEMVEC_TRY(lock, base::FileLock::acquire(request.dir / (request.key + ".lock")));
  from_cache_ = open(request, path, pool).ok();
  if (from_cache_) return {};
  auto made = request.content();
  if (!made.ok()) return content_status = made.error();
  content = std::move(made).value();
  GEMVEC_CHECK_OK(write_file(request, path, content, pool));
  return open(request, path, pool);
}

Result<CacheFile> CacheFile::load(const CacheRequest& request, base::ThreadPool* pool) {
  CacheFile file;
  CacheContent content;
  if (!request.dir.empty()) {
    Status content_status;
    const Status cached = file.through_file(request, pool, content, content_status);
    if (cached.ok()) return file;
    if (!content_status.ok()) return content_status.error();
    file.notes_.push_back(
        fmt::format("{} are kept in memory only: {}", request.what, cached.error().message));
  }
  if (!content.fill) {
    GEMVEC_TRY(made, request.content());
    content = std::move(made);
  }
  GEMVEC_TRY(memory, base::AlignedBuffer<std::byte>::create(content.bytes));
  file.memory_ = std::move(memory);
  GEMVEC_CHECK_OK(content.fill({file.memory_.data(), content.bytes}));
  file.bytes_ = {file.memory_.data(), content.bytes};
  return file;
}

Result<std::string> source_identity(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return base::os_error("read", path, errno);
  std::error_code ignored;
  return fmt::format("{} {} {} {}.{} {}.{}", fs::canonical(path, ignored).string(), info.st_size, info.st_ino,
                     info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
}

std::string cache_key(std::string_view identity) {
  const std::string all = fmt::format("{} {}", kFormatVersion, identity);
  const XXH128_hash_t hash = XXH3_128bits(all.data(), all.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace gemvec::engine
