// Reading members of a zip, wherever its bytes are. Nothing is written by name: the caller asks for a
// member and says where its bytes go, so a hostile name has nowhere to lead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fetch/storage.h"
#include "gemvec/result.h"

namespace gemvec::fetch {

// Bytes that can be read at any place.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  // Fills `out` from `offset`. REQUIRES: offset + out.size() <= size(). False if it cannot be read.
  virtual bool read(std::uint64_t offset, std::span<std::byte> out) = 0;
};

// Files as if they were one, in order. The parts of a zip need no joined copy on the disk.
class JoinedFiles : public ByteSource {
 public:
  // Errors: kNotFound, kIo.
  static Result<std::unique_ptr<ByteSource>> open(const std::vector<std::filesystem::path>& paths);

  [[nodiscard]] std::uint64_t size() const override { return ends_.empty() ? 0 : ends_.back(); }
  bool read(std::uint64_t offset, std::span<std::byte> out) override;

 private:
  std::vector<OpenFile> files_;
  std::vector<std::uint64_t> ends_;  // where each file ends in the whole
};

class ZipReader {
 public:
  // `name` is for messages. Errors: kBadFormat (no zip, damaged directory).
  static Result<std::unique_ptr<ZipReader>> open(std::unique_ptr<ByteSource> source, std::string name);
  ~ZipReader();
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;

  // Names in the order of the directory, as they are: not to be used as paths.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

  // Gives the member's bytes to `sink` in blocks, at most max_bytes, and checks its CRC.
  // Errors: kBadFormat (no such member, damaged, larger than max_bytes, encrypted, an unknown
  // compression), kIo (the source), and what `sink` gives.
  Status extract(std::string_view member, std::uint64_t max_bytes,
                 const std::function<Status(std::span<const std::byte>)>& sink);

 private:
  struct Stream;
  ZipReader() = default;
  Status list();
  Error damaged(std::string_view member, std::string_view what) const;

  std::unique_ptr<Stream> stream_;
  std::string name_;
  std::vector<std::string> names_;
};

}  // namespace gemvec::fetch
