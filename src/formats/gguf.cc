#include "formats/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "base/quote.h"
#include "base/try.h"
#include "formats/safetensors.h"

namespace gemvec::formats {

namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::uint32_t kNewestVersion = 3, kOldestVersion = 2;
constexpr std::uint64_t kDefaultAlignment = 32;   // bytes, without general.alignment
constexpr std::uint64_t kMaxAlignment = 1 << 20;  // a huge page has 2 MiB, and files use 32
constexpr std::uint64_t kMaxKeyBytes = 65535;     // what the format allows
constexpr std::uint64_t kMaxNameBytes = 1024;     // the reference's limit is 64
constexpr std::uint32_t kMaxDimensions = 4;       // the format's
constexpr std::uint64_t kLengthBytes = sizeof(std::uint64_t);

// Bytes of one value; 0: it has no fixed size.
std::uint64_t size_of(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool:
      return 1;
    case GgufType::kU16:
    case GgufType::kI16:
      return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32:
      return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64:
      return 8;
    case GgufType::kString:
    case GgufType::kArray:
      break;
  }
  return 0;
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Reads from the file's beginning on, and never beyond its end.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, std::string_view file) : bytes_(bytes), file_(file) {}

  // `what` is what was being read, for the message about a file that ends there.
  template <class T>
  Result<T> number(const std::string& what) {
    GEMVEC_TRY(bytes, take(sizeof(T), what));
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }

  Result<std::span<const std::byte>> take(std::uint64_t size, const std::string& what) {
    if (size > left()) {
      return bad(
          fmt::format("{}: expected {} bytes, found {}, as if the file were cut short", what, size, left()));
    }
    const auto taken = bytes_.subspan(at_, size);
    at_ += size;
    return taken;
  }

  Result<std::string_view> string(std::uint64_t min, std::uint64_t max, const std::string& what) {
    GEMVEC_TRY(size, number<std::uint64_t>(what));
    if (size < min || size > max)
      return bad(fmt::format("{}: expected {} to {} bytes, found {}", what, min, max, size));
    GEMVEC_TRY(bytes, take(size, what));
    return as_text(bytes);
  }

  [[nodiscard]] std::uint64_t at() const { return at_; }
  [[nodiscard]] std::uint64_t left() const { return bytes_.size() - at_; }
  [[nodiscard]] Error bad(const std::string& problem, ErrorCode code = ErrorCode::kBadFormat) const {
    return {code, fmt::format("{}: {}.", file_, problem)};
  }

 private:
  std::span<const std::byte> bytes_;
  std::uint64_t at_ = 0;
  std::string file_;
};

struct Header {
  std::uint64_t tensors = 0, entries = 0;
};

Result<Header> read_header(Cursor& cursor, std::span<const std::byte> bytes) {
  // What `git clone` leaves of a large file when git-lfs is not installed: common, and baffling.
  if (as_text(bytes).starts_with("version https://git-lfs"))
    return cursor.bad("expected a GGUF file, found a Git LFS pointer to it; fetch it with `git lfs pull`");
  if (!as_text(bytes).starts_with(kMagic))
    return cursor.bad(fmt::format("expected a GGUF file, found one that begins with {}",
                                  base::quote(as_text(bytes).substr(0, kMagic.size()))));
  GEMVEC_CHECK_OK(cursor.take(kMagic.size(), "the header"));
  GEMVEC_TRY(version, cursor.number<std::uint32_t>("the version"));
  if (version != 0 && (version & 0xFFFFU) == 0)
    return cursor.bad("expected a little-endian GGUF file, found a big-endian one", ErrorCode::kUnsupported);
  if (version < kOldestVersion || version > kNewestVersion)
    return cursor.bad(
        fmt::format("expected GGUF of version {} or {}, found {}", kOldestVersion, kNewestVersion, version),
        ErrorCode::kUnsupported);
  Header header;
  GEMVEC_TRY(tensors, cursor.number<std::uint64_t>("the number of tensors"));
  GEMVEC_TRY(entries, cursor.number<std::uint64_t>("the number of keys"));
  header.tensors = tensors;
  header.entries = entries;
  // The least that one can take: a length, a character, and a value of one byte with its type; a length, a
  // character, one dimension with their number, type and offset.
  constexpr std::uint64_t kLeastEntry = 8 + 1 + 4 + 1, kLeastTensor = 8 + 1 + 4 + 8 + 4 + 8;
  if (entries > cursor.left() / kLeastEntry)
    return cursor.bad(fmt::format("expected at most {} keys in the bytes that there are, found a count of {}",
                                  cursor.left() / kLeastEntry, entries));
  if (tensors > cursor.left() / kLeastTensor)
    return cursor.bad(
        fmt::format("expected at most {} tensors in the bytes that there are, found a count of {}",
                    cursor.left() / kLeastTensor, tensors));
  return header;
}

Status check_booleans(const Cursor& cursor, const GgufValue& value, const std::string& what) {
  if (value.type != GgufType::kBool) return {};
  const bool good = std::all_of(value.bytes.begin(), value.bytes.end(),
                                [](std::byte byte) { return std::to_integer<unsigned>(byte) <= 1; });
  if (good) return {};
  return cursor.bad(what + ": expected true or false as a byte of 1 or 0");
}

Result<GgufType> read_type(Cursor& cursor, const std::string& what) {
  GEMVEC_TRY(type, cursor.number<std::uint32_t>(what));
  if (type > static_cast<std::uint32_t>(GgufType::kF64))
    return cursor.bad(fmt::format("{}: expected a type of value from 0 to 12, found {}", what, type));
  return static_cast<GgufType>(type);
}

Status read_array(Cursor& cursor, const std::string& what, std::span<const std::byte> file,
                  GgufValue& value) {
  value.is_array = true;
  GEMVEC_TRY(type, read_type(cursor, what));
  GEMVEC_TRY(count, cursor.number<std::uint64_t>(what));
  if (type == GgufType::kArray)
    return cursor.bad(what + ": expected an array of numbers or strings, found one of arrays",
                      ErrorCode::kUnsupported);
  value.type = type;
  value.count = count;
  // A string takes at least its length.
  const std::uint64_t least = type == GgufType::kString ? kLengthBytes : size_of(type);
  if (count > cursor.left() / least)
    return cursor.bad(fmt::format("{}: expected {} elements, found {} bytes, as if the file were cut short",
                                  what, count, cursor.left()));
  if (type != GgufType::kString) {
    GEMVEC_TRY(bytes, cursor.take(count * least, what));
    value.bytes = bytes;
    return check_booleans(cursor, value, what);
  }
  const std::uint64_t begin = cursor.at();
  for (std::uint64_t i = 0; i < count; ++i) {
    GEMVEC_CHECK_OK(cursor.string(0, std::numeric_limits<std::uint64_t>::max(), what));
  }
  value.bytes = file.subspan(begin, cursor.at() - begin);
  return {};
}

Result<GgufEntry> read_entry(Cursor& cursor, std::span<const std::byte> file) {
  GgufEntry entry;
  GEMVEC_TRY(key, cursor.string(1, kMaxKeyBytes, "a key"));
  entry.key = key;
  const std::string what = "key " + base::quote(key);
  GEMVEC_TRY(type, read_type(cursor, what));
  if (type == GgufType::kArray) {
    GEMVEC_CHECK_OK(read_array(cursor, what, file, entry.value));
    return entry;
  }
  entry.value.type = type;
  if (type == GgufType::kString) {
    GEMVEC_TRY(text, cursor.string(0, std::numeric_limits<std::uint64_t>::max(), what));
    entry.value.bytes = std::as_bytes(std::span(text));
    return entry;
  }
  GEMVEC_TRY(bytes, cursor.take(size_of(type), what));
  entry.value.bytes = bytes;
  GEMVEC_CHECK_OK(check_booleans(cursor, entry.value, what));
  return entry;
}

// A tensor whose bytes are not known yet.
struct Placed {
  GgufTensor tensor;
  std::uint64_t offset = 0;  // from the beginning of the data
  std::uint64_t bytes = 0;
};

std::optional<std::uint64_t> bytes_of(const std::vector<std::uint64_t>& shape, const GgmlTraits& traits) {
  std::uint64_t total = traits.bytes;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::uint64_t factor = i == 0 ? shape[i] / traits.block : shape[i];
    if (factor > std::numeric_limits<std::uint64_t>::max() / total) return std::nullopt;
    total *= factor;  // never 0: no dimension is, and the first is whole blocks
  }
  return total;
}

Result<Placed> read_tensor(Cursor& cursor) {
  Placed placed;
  GEMVEC_TRY(name, cursor.string(1, kMaxNameBytes, "a tensor's name"));
  placed.tensor.name = name;
  const std::string what = "tensor " + base::quote(name);
  GEMVEC_TRY(dimensions, cursor.number<std::uint32_t>(what));
  if (dimensions == 0 || dimensions > kMaxDimensions)
    return cursor.bad(
        fmt::format("{}: expected 1 to {} dimensions, found {}", what, kMaxDimensions, dimensions));
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    GEMVEC_TRY(size, cursor.number<std::uint64_t>(what));
    if (size == 0) return cursor.bad(fmt::format("{}: dimension {}: expected at least 1, found 0", what, i));
    placed.tensor.shape.push_back(size);
  }
  GEMVEC_TRY(type, cursor.number<std::uint32_t>(what));
  GEMVEC_TRY(offset, cursor.number<std::uint64_t>(what));
  const GgmlTraits* traits = ggml_traits(type);
  if (traits == nullptr) {
    const std::string_view known = ggml_type_name(type);
    return cursor.bad(fmt::format("{}: expected the type F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, "
                                  "Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL or IQ4_XS, found type {}{}",
                                  what, type, known.empty() ? "" : fmt::format(", {}", known)),
                      ErrorCode::kUnsupported);
  }
  if (placed.tensor.shape[0] % traits->block != 0)
    return cursor.bad(
        fmt::format("{}: expected rows of a multiple of {} elements, as {} has them in its blocks, "
                    "found {}",
                    what, traits->block, traits->name, placed.tensor.shape[0]));
  const auto bytes = bytes_of(placed.tensor.shape, *traits);
  if (!bytes)
    return cursor.bad(fmt::format("{}: shape {} of {}: expected fewer than 2^64 bytes", what,
                                  shape_text(placed.tensor.shape), traits->name));
  placed.tensor.type = static_cast<GgmlType>(type);
  placed.offset = offset;
  placed.bytes = *bytes;
  return placed;
}

Result<std::uint64_t> read_alignment(const Cursor& cursor, const GgufValue* value) {
  if (value == nullptr) return kDefaultAlignment;
  const auto alignment = value->whole_number();
  if (alignment && std::has_single_bit(*alignment) && *alignment <= kMaxAlignment) return *alignment;
  return cursor.bad(fmt::format("key \"general.alignment\": expected a power of two up to {}, found {}",
                                kMaxAlignment, value->describe()));
}

// Where everything lies: inside the data, aligned, and nothing twice.
Status place(const Cursor& cursor, std::span<const std::byte> data, std::uint64_t alignment,
             std::vector<Placed>& tensors) {
  std::sort(tensors.begin(), tensors.end(),
            [](const Placed& a, const Placed& b) { return a.offset < b.offset; });
  std::uint64_t end = 0;
  for (Placed& placed : tensors) {
    const std::string what = "tensor " + base::quote(placed.tensor.name);
    if (placed.offset % alignment != 0)
      return cursor.bad(fmt::format("{}: offset: expected a multiple of {}, the file's alignment, found {}",
                                    what, alignment, placed.offset));
    if (placed.offset < end)
      return cursor.bad(
          fmt::format("{}: offset: expected at least {}, where the tensor before it ends, found {}", what,
                      end, placed.offset));
    if (placed.offset > data.size() || placed.bytes > data.size() - placed.offset)
      return cursor.bad(
          fmt::format("{}: expected {} bytes at {}, found a file with {} bytes of tensors, as if it "
                      "were cut short",
                      what, placed.bytes, placed.offset, data.size()));
    placed.tensor.bytes = data.subspan(placed.offset, placed.bytes);
    end = placed.offset + placed.bytes;
  }
  return {};
}

// Sorts by what `name` gives, and refuses what is there twice.
template <class T, class Name>
Status sort_unique(const Cursor& cursor, std::vector<T>& items, std::string_view kind, Name name) {
  std::sort(items.begin(), items.end(), [&](const T& a, const T& b) { return name(a) < name(b); });
  const auto twice = std::adjacent_find(items.begin(), items.end(),
                                        [&](const T& a, const T& b) { return name(a) == name(b); });
  if (twice == items.end()) return {};
  return cursor.bad(fmt::format("{} {}: expected it once, found it twice", kind, base::quote(name(*twice))));
}

}  // namespace

Result<Gguf> Gguf::parse(std::span<const std::byte> bytes, std::string_view name) {
  Cursor cursor(bytes, name);
  GEMVEC_TRY(header, read_header(cursor, bytes));
  Gguf result;
  for (std::uint64_t i = 0; i < header.entries; ++i) {
    GEMVEC_TRY(entry, read_entry(cursor, bytes));
    result.entries_.push_back(entry);
  }
  GEMVEC_CHECK_OK(
      sort_unique(cursor, result.entries_, "key", [](const GgufEntry& entry) { return entry.key; }));
  std::vector<Placed> placed;
  for (std::uint64_t i = 0; i < header.tensors; ++i) {
    GEMVEC_TRY(tensor, read_tensor(cursor));
    placed.push_back(std::move(tensor));
  }
  GEMVEC_TRY(alignment, read_alignment(cursor, result.find("general.alignment")));
  // The data begin at the next multiple of the alignment; a file without tensors may end before it.
  const std::uint64_t padding = (alignment - cursor.at() % alignment) % alignment;
  const auto data =
      padding > cursor.left() ? bytes.subspan(bytes.size()) : bytes.subspan(cursor.at() + padding);
  GEMVEC_CHECK_OK(place(cursor, data, alignment, placed));
  result.tensors_.reserve(placed.size());
  for (Placed& tensor : placed) result.tensors_.push_back(std::move(tensor.tensor));
  GEMVEC_CHECK_OK(
      sort_unique(cursor, result.tensors_, "tensor", [](const GgufTensor& tensor) { return tensor.name; }));
  return result;
}

Result<Gguf> Gguf::open(const std::filesystem::path& path) {
  GEMVEC_TRY(file, base::MappedFile::open(path));
  GEMVEC_TRY(result, parse(file.bytes(), path.string()));
  result.file_ = std::move(file);
  return result;
}

const GgufValue* Gguf::find(std::string_view key) const {
  const auto found =
      std::lower_bound(entries_.begin(), entries_.end(), key,
                       [](const GgufEntry& entry, std::string_view wanted) { return entry.key < wanted; });
  return found != entries_.end() && found->key == key ? &found->value : nullptr;
}

const GgufTensor* Gguf::find_tensor(std::string_view name) const {
  const auto found = std::lower_bound(
      tensors_.begin(), tensors_.end(), name,
      [](const GgufTensor& tensor, std::string_view wanted) { return tensor.name < wanted; });
  return found != tensors_.end() && found->name == name ? &*found : nullptr;
}

}  // namespace gemvec::formats
