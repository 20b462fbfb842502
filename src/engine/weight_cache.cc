#include "engine/weight_cache.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cstring>
#include <system_error>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/file.h"
#include "base/try.h"
#include "kernels/gemm/gemm.h"

namespace gemvec::engine {

namespace {

// Raised whenever the meaning of a byte in the file changes.
constexpr std::uint32_t kFormatVersion = 2;
constexpr std::size_t kHeaderBytes = 4096;     // a page: the payload stays page-aligned
constexpr std::size_t kHashChunk = 4U << 20U;  // bytes that one task hashes

// docs/formats/packed.md describes the file.
struct Header {
  char magic[8];
  std::uint32_t version;
  std::uint32_t header_bytes;
  std::uint64_t payload_bytes;
  std::uint64_t payload_hash;  // of the hashes of kHashChunk pieces
  std::uint64_t header_hash;   // of the fields above
};
constexpr char kMagic[8] = {'G', 'E', 'M', 'V', 'E', 'C', 'P', 'K'};

std::uint64_t hash_header(const Header& header) {
  return XXH3_64bits(&header, offsetof(Header, header_hash));
}

std::uint64_t hash_payload(std::span<const std::byte> payload, base::ThreadPool& pool) {
  std::vector<std::uint64_t> hashes((payload.size() + kHashChunk - 1) / kHashChunk);
  pool.run(hashes.size(), [&](std::size_t i, unsigned) {
    const auto piece = payload.subspan(i * kHashChunk, std::min(kHashChunk, payload.size() - i * kHashChunk));
    hashes[i] = XXH3_64bits(piece.data(), piece.size());
  });
  return XXH3_64bits(hashes.data(), hashes.size() * sizeof(std::uint64_t));
}

// Everything that the packed bytes depend on. Source files stand for their contents by path, size, inode and
// time of change: hashing 1.2 GB at every start would cost more than packing.
Result<std::string> cache_key(const ModelFolder& folder, model::WeightType type) {
  const model::Config& c = folder.config;
  std::string key =
      fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {} {}", kFormatVersion, static_cast<int>(type),
                  kernels::kPanel, c.layers, c.width, c.heads, c.head_dim, c.ffn, c.dense_width, c.vocab,
                  c.max_tokens, c.query_scale, c.rope_theta_full, c.rope_theta_sliding, c.eps);
  for (const auto& path : folder.weight_files) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return base::os_error("read", path, errno);
    std::error_code ignored;
    key += fmt::format("\n{} {} {} {}.{}", std::filesystem::canonical(path, ignored).string(), info.st_size,
                       info.st_ino, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
  }
  const XXH128_hash_t hash = XXH3_128bits(key.data(), key.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

Status write_packed(const ModelFolder& folder, model::WeightType type, base::ThreadPool& pool,
                    const std::filesystem::path& path, std::uint64_t payload_bytes,
                    const WeightCacheOptions& options) {
  GEMVEC_TRY(file, base::AtomicFile::create(path));
  GEMVEC_TRY(block, file.map(kHeaderBytes + payload_bytes));
  const auto payload = block.subspan(kHeaderBytes);
  model::pack_weights(folder.config, folder.weights, type, pool, payload, options.progress);
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kFormatVersion;
  header.header_bytes = kHeaderBytes;
  header.payload_bytes = payload_bytes;
  header.payload_hash = hash_payload(payload, pool);
  header.header_hash = hash_header(header);
  std::memcpy(block.data(), &header, sizeof(header));
  // Every load checks the hash, so a file that a power cut tore is noticed and made again: waiting for the
  // disk would only make the first load twice as long.
  return file.commit(base::Durability::kProcess);
}

}  // namespace

Status PackedBlock::open(const std::filesystem::path& path, std::uint64_t payload_bytes,
                         base::ThreadPool& pool) {
  GEMVEC_TRY(file, base::MappedFile::open(path));
  const auto damaged = [&](std::string_view what) {
    return Error{ErrorCode::kBadFormat, fmt::format("{}: {}.", path.string(), what)};
  };
  Header header{};
  if (file.bytes().size() != kHeaderBytes + payload_bytes) return damaged("wrong size for packed weights");
  std::memcpy(&header, file.bytes().data(), sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0 || header.version != kFormatVersion ||
      header.payload_bytes != payload_bytes || header.header_hash != hash_header(header)) {
    return damaged("not a packed weights file of this version");
  }
  const auto payload = file.bytes().subspan(kHeaderBytes);
  if (hash_payload(payload, pool) != header.payload_hash)
    return damaged("checksum of the packed weights differs");
  mapped_ = std::move(file);
  bytes_ = mapped_.bytes().subspan(kHeaderBytes);
  path_ = path;
  return {};
}

Result<PackedBlock> PackedBlock::load(const ModelFolder& folder, model::WeightType type,
                                      base::ThreadPool& pool, const WeightCacheOptions& options) {
  PackedBlock block;
  const std::uint64_t payload_bytes = model::PackedLayout::of(folder.config, type).bytes;
  const auto through_cache = [&]() -> Status {
    GEMVEC_TRY(key, cache_key(folder, type));
    const auto dir = options.cache_dir / "packed";
    const auto path = dir / fmt::format("{}-{}.gvpack", key, name_of(type));
    const Status first = block.open(path, payload_bytes, pool);
    if (first.ok()) {
      block.from_cache_ = true;
      return {};
    }
    if (first.error().code == ErrorCode::kBadFormat) {
      block.notes_.push_back("Packed weights in the cache were damaged and are made again: " +
                             first.error().message);
    }
    std::error_code ignored;  // a folder that cannot be made shows when the lock cannot be made
    std::filesystem::create_directories(dir, ignored);
    // Another process may be packing the same weights: whoever comes second finds them done.
    GEMVEC_TRY(lock, base::FileLock::acquire(dir / (key + ".lock")));
    if (block.open(path, payload_bytes, pool).ok()) {
      block.from_cache_ = true;
      return {};
    }
    GEMVEC_CHECK_OK(write_packed(folder, type, pool, path, payload_bytes, options));
    return block.open(path, payload_bytes, pool);
  };
  if (!options.cache_dir.empty()) {
    const Status cached = through_cache();
    if (cached.ok()) return block;
    block.notes_.push_back("Packed weights are kept in memory only: " + cached.error().message);
  }
  GEMVEC_TRY(memory, base::AlignedBuffer<std::byte>::create(payload_bytes));
  block.memory_ = std::move(memory);
  model::pack_weights(folder.config, folder.weights, type, pool, {block.memory_.data(), payload_bytes},
                      options.progress);
  block.bytes_ = {block.memory_.data(), payload_bytes};
  return block;
}

}  // namespace gemvec::engine
