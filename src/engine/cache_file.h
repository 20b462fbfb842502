// A file of the cache: made once, mapped by every process after that.
//
// docs/formats/packed.md describes the file. It is trusted for nothing: what is cut short, damaged, or made
// by another version or machine is noticed and made again, and where no file can be, there is private memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/aligned.h"
#include "base/mapped_file.h"
#include "base/thread_pool.h"
#include "gemvec/result.h"

namespace gemvec::engine {

// What the payload is. The numbers stand in files.
enum class CacheKind : std::uint32_t { kWeights = 1, kTokenizer = 2 };

// How to make a payload.
struct CacheContent {
  std::uint64_t bytes = 0;
  // The first so many are hashed, and compared at every load. What comes after them is for the reader to
  // check when it uses it.
  std::uint64_t verified_bytes = 0;
  // Gets [bytes], at a multiple of 64. May leave bytes as they are only where nobody looks.
  // Its errors end the load.
  std::function<Status(std::span<std::byte> payload)> fill;
};

struct CacheRequest {
  std::filesystem::path dir;  // folder of the file, made if need be; empty: no file
  CacheKind kind = CacheKind::kWeights;
  std::uint32_t content_version = 0;  // of the payload's own layout
  std::string key;                    // the file is DIR/KEY-NAME.gvpack, its lock DIR/KEY.lock
  std::string name;
  std::string what;  // begins the notes: "Packed weights"
  // Asked only when the payload must be made. Its errors end the load.
  std::function<Result<CacheContent>()> content;
  // Called with a payload whose hash is right, for what a hash cannot say. Its errors mean damage.
  std::function<Status(std::span<const std::byte> payload, std::uint64_t verified_bytes)> accept;
};

class CacheFile {
 public:
  // `pool` shares the hashing; null: this thread alone.
  // Errors: those of request.content(), and kIo (out of memory). A cache that cannot be read or written is a
  // note, not an error.
  static Result<CacheFile> load(const CacheRequest& request, base::ThreadPool* pool);

  // The payload, at a multiple of 64, valid while this object lives, also when it has moved.
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] const base::MappedFile& mapped() const { return mapped_; }   // without bytes: private memory
  [[nodiscard]] const std::filesystem::path& file() const { return path_; }  // empty: private memory
  [[nodiscard]] bool from_cache() const { return from_cache_; }  // false: this load made the payload
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

 private:
  Status open(const CacheRequest& request, const std::filesystem::path& path, base::ThreadPool* pool);
  Status through_file(const CacheRequest& request, base::ThreadPool* pool, CacheContent& content,
                      Status& content_status);

  base::MappedFile mapped_;
  base::AlignedBuffer<std::byte> memory_;
  std::span<const std::byte> bytes_;
  std::filesystem::path path_;
  bool from_cache_ = false;
  std::vector<std::string> notes_;
};

// What stands for a source file's content in a key: canonical path, size, inode, times of writing and of
// change. Hashing 1.2 GB at every start would cost more than packing.
// Errors: kNotFound, kIo.
Result<std::string> source_identity(const std::filesystem::path& path);

// KEY: 128 bits over everything that a payload depends on.
std::string cache_key(std::string_view identity);

}  // namespace gemvec::engine
