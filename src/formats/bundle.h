// A whole model in one file, ready to be mapped: packed weights, the tokenizer's tables and a description.
// docs/formats/gemvec.md describes the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "base/thread_pool.h"
#include "gemvec/result.h"

namespace gemvec::formats {

// The numbers stand in files.
enum class BundlePart : std::uint32_t { kDescription = 1, kTokenizer = 2, kWeights = 3 };

// Where a part lies and how it is checked.
struct BundleSection {
  BundlePart part = BundlePart::kDescription;
  std::uint32_t version = 0;  // of the part's own layout
  std::uint64_t bytes = 0;
  // The first so many have a checksum; what comes after them carries its own.
  std::uint64_t verified_bytes = 0;
};

class Bundle {
 public:
  // Looks at the header only: check() looks at the parts. Errors: kNotFound, kIo, kBadFormat (not such a
  // file, cut short, a damaged header), kUnsupported (a version or a byte order that is not this program's).
  static Result<Bundle> open(const std::filesystem::path& path);
  // The same over bytes that the caller keeps alive, at a multiple of 64. `name` stands for the file in
  // messages.
  static Result<Bundle> parse(std::span<const std::byte> bytes, std::string_view name);

  [[nodiscard]] const BundleSection& section(BundlePart part) const;
  // At a multiple of 64, valid as long as the file is mapped, which this object keeps it.
  [[nodiscard]] std::span<const std::byte> bytes(BundlePart part) const;
  // What bytes() views.
  [[nodiscard]] const base::MappedFile& file() const { return file_; }
  // Compares the checksum of the part's verified bytes. `pool` may be null. Errors: kBadFormat.
  [[nodiscard]] Status check(BundlePart part, base::ThreadPool* pool) const;

 private:
  struct Entry {
    BundleSection section;
    std::uint64_t offset = 0, hash = 0;
  };
  [[nodiscard]] const Entry& entry(BundlePart part) const;
  Status read_entries();

  std::string name_;
  base::MappedFile file_;
  std::span<const std::byte> all_;
  std::vector<Entry> entries_;  // one of each part
};

// A part to be written.
struct BundleContent {
  BundleSection section;
  // Gets [bytes], zeroed, at a multiple of 64. Its errors end the writing.
  std::function<Status(std::span<std::byte> to)> fill;
};

// Writes `path`, whole or not at all. REQUIRES: one of each part. Errors: kIo, and those of fill().
Status write_bundle(const std::filesystem::path& path, std::span<const BundleContent> parts,
                    base::ThreadPool* pool);

}  // namespace gemvec::formats
