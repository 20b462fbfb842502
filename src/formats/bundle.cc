#include "formats/bundle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/file.h"
#include "base/piece_hash.h"
#include "base/try.h"

namespace gemvec::formats {

namespace {

// Raised whenever the meaning of a byte outside the parts changes.
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kByteOrder = 0x01020304;  // a machine of the other order reads 0x04030201
constexpr std::size_t kPage = 4096;               // of the header, and the alignment of parts
constexpr char kMagic[8] = {'G', 'E', 'M', 'V', 'E', 'C', 'M', 'D'};
constexpr std::array kParts = {BundlePart::kDescription, BundlePart::kTokenizer, BundlePart::kWeights};

struct FileEntry {
  std::uint32_t part, version;
  std::uint64_t offset, bytes, verified_bytes, hash;
};

// The rest of the page is zeros.
struct Header {
  char magic[8];
  std::uint32_t version, byte_order;
  std::uint64_t file_bytes;
  std::uint64_t header_hash;  // XXH3-64 of the whole page, with zeros here
  std::uint64_t parts;
  FileEntry entries[kParts.size()];
};
static_assert(sizeof(Header) <= kPage);
using Page = std::array<std::byte, kPage>;

std::uint64_t hash_header(Page page) {
  std::memset(page.data() + offsetof(Header, header_hash), 0, sizeof(Header::header_hash));
  return XXH3_64bits(page.data(), page.size());
}

std::string_view name_of(BundlePart part) {
  switch (part) {
    case BundlePart::kDescription:
      return "description";
    case BundlePart::kTokenizer:
      return "tokenizer";
    case BundlePart::kWeights:
      return "weights";
  }
  return "";
}

std::uint64_t next_page(std::uint64_t offset) { return (offset + kPage - 1) / kPage * kPage; }

}  // namespace

Result<Bundle> Bundle::parse(std::span<const std::byte> bytes, std::string_view name) {
  const auto bad = [&](std::string_view what, ErrorCode code = ErrorCode::kBadFormat) {
    return Error{code, fmt::format("{}: {}.", name, what)};
  };
  if (bytes.size() < kPage || std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) != 0)
    return bad("expected a file of `gemvec quantize`, which begins GEMVECMD");
  Header header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.byte_order != kByteOrder)
    return bad("byte order: expected this machine's, found another's", ErrorCode::kUnsupported);
  if (header.version != kVersion)
    return bad(fmt::format("version: expected {}, found {}", kVersion, header.version),
               ErrorCode::kUnsupported);
  Page page;
  std::memcpy(page.data(), bytes.data(), page.size());
  if (hash_header(page) != header.header_hash) return bad("the checksum of the header differs");
  if (header.file_bytes != bytes.size())
    return bad(fmt::format("expected {} bytes, found {}", header.file_bytes, bytes.size()));
  Bundle bundle;
  bundle.name_ = name;
  bundle.all_ = bytes;
  GEMVEC_CHECK_OK(bundle.read_entries());
  return bundle;
}

Result<Bundle> Bundle::open(const std::filesystem::path& path) {
  GEMVEC_TRY(file, base::MappedFile::open(path));
  GEMVEC_TRY(bundle, parse(file.bytes(), path.string()));
  bundle.file_ = std::move(file);
  return bundle;
}

Status Bundle::read_entries() {
  Header header;
  std::memcpy(&header, all_.data(), sizeof(header));
  if (header.parts != kParts.size()) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("{}: parts: expected {}, found {}.", name_, kParts.size(), header.parts)};
  }
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    const FileEntry& from = header.entries[i];
    const bool inside = from.offset >= kPage && from.offset % kPage == 0 && from.offset <= all_.size() &&
                        from.bytes <= all_.size() - from.offset && from.verified_bytes <= from.bytes;
    if (from.part != static_cast<std::uint32_t>(kParts[i]) || !inside) {
      return Error{
          ErrorCode::kBadFormat,
          fmt::format("{}: part {}: expected the {} inside the file, found part {} at {} with {} bytes.",
                      name_, i, name_of(kParts[i]), from.part, from.offset, from.bytes)};
    }
    entries_.push_back({{kParts[i], from.version, from.bytes, from.verified_bytes}, from.offset, from.hash});
  }
  return {};
}

const Bundle::Entry& Bundle::entry(BundlePart part) const {
  return entries_[static_cast<std::size_t>(part) - 1];
}

const BundleSection& Bundle::section(BundlePart part) const { return entry(part).section; }

std::span<const std::byte> Bundle::bytes(BundlePart part) const {
  const Entry& found = entry(part);
  return all_.subspan(found.offset, found.section.bytes);
}

Status Bundle::check(BundlePart part, base::ThreadPool* pool) const {
  const Entry& found = entry(part);
  if (base::hash_pieces(bytes(part).first(found.section.verified_bytes), pool) == found.hash) return {};
  return Error{ErrorCode::kBadFormat,
               fmt::format("{}: the checksum of the {} differs; the file is damaged.", name_, name_of(part))};
}

Status write_bundle(const std::filesystem::path& path, std::span<const BundleContent> parts,
                    base::ThreadPool* pool) {
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kVersion;
  header.byte_order = kByteOrder;
  header.parts = kParts.size();
  std::uint64_t end = kPage;
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    const BundleSection& section = parts[i].section;
    header.entries[i] = {static_cast<std::uint32_t>(section.part),
                         section.version,
                         end,
                         section.bytes,
                         section.verified_bytes,
                         0};
    end = next_page(end + section.bytes);
  }
  header.file_bytes = end;
  GEMVEC_TRY(file, base::AtomicFile::create(path));
  GEMVEC_TRY(all, file.map(end));
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    FileEntry& entry = header.entries[i];
    const auto to = all.subspan(entry.offset, entry.bytes);
    GEMVEC_CHECK_OK(parts[i].fill(to));
    entry.hash = base::hash_pieces(to.first(entry.verified_bytes), pool);
  }
  Page page{};
  std::memcpy(page.data(), &header, sizeof(header));
  header.header_hash = hash_header(page);
  std::memcpy(all.data(), &header, sizeof(header));
  return file.commit();
}

}  // namespace gemvec::formats
