#include "formats/safetensors.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "base/quote.h"
#include "base/try.h"
#include "formats/safetensors_header.h"

namespace gemvec::formats {

namespace {

constexpr std::uint64_t kLengthBytes = 8;
// The limit of the format's reference implementation, in bytes.
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

struct Dtype {
  std::string_view name;
  unsigned bits;
};

// Every type the format knows, so that a file with one that gemvec cannot compute with is still told
// apart from a damaged one.
constexpr std::array kDtypes = {
    Dtype{"F32", 32},    Dtype{"BF16", 16},   Dtype{"F16", 16},    Dtype{"F64", 64},    Dtype{"BOOL", 8},
    Dtype{"U8", 8},      Dtype{"I8", 8},      Dtype{"U16", 16},    Dtype{"I16", 16},    Dtype{"U32", 32},
    Dtype{"I32", 32},    Dtype{"U64", 64},    Dtype{"I64", 64},    Dtype{"F8_E4M3", 8}, Dtype{"F8_E5M2", 8},
    Dtype{"F8_E8M0", 8}, Dtype{"F6_E2M3", 6}, Dtype{"F6_E3M2", 6}, Dtype{"F4", 4},      Dtype{"C64", 64},
};

// a * b, or nothing if it does not fit into 64 bits.
std::optional<std::uint64_t> checked_product(std::uint64_t a, std::uint64_t b) {
  if (b != 0 && a > std::numeric_limits<std::uint64_t>::max() / b) return std::nullopt;
  return a * b;
}

// Bytes of a tensor, or nothing if they overflow or end inside a byte.
std::optional<std::uint64_t> byte_size(const std::vector<std::uint64_t>& shape, unsigned bits) {
  std::uint64_t total = bits;
  for (const std::uint64_t dim : shape) {
    const auto product = checked_product(total, dim);
    if (!product) return std::nullopt;
    total = *product;
  }
  if (total % 8 != 0) return std::nullopt;
  return total / 8;
}

std::uint64_t little_endian(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) value |= std::to_integer<std::uint64_t>(bytes[i]) << 8 * i;
  return value;
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class Checker {
 public:
  Checker(std::uint64_t data_size, std::string_view file) : data_size_(data_size), file_(file) {}

  // One entry by itself: type, shape, range.
  [[nodiscard]] Status entry(const HeaderEntry& entry) const {
    const auto* dtype = std::find_if(kDtypes.begin(), kDtypes.end(),
                                     [&](const Dtype& known) { return known.name == entry.dtype; });
    if (dtype == kDtypes.end())
      return bad(entry, "dtype: expected one of the format's types (F32, BF16, F16, ...), found " +
                            base::quote(entry.dtype));
    if (entry.begin > entry.end)
      return bad(entry, "data_offsets: expected the begin before the end, found " + offsets(entry));
    if (entry.end > data_size_)
      return bad(entry, "data_offsets: expected an end of at most " + std::to_string(data_size_) +
                            ", the bytes after the header, found " + std::to_string(entry.end) +
                            ", as if the file were cut short");
    const auto size = byte_size(entry.shape, dtype->bits);
    const std::string shape = "shape " + shape_text(entry.shape) + " of " + entry.dtype;
    if (!size) return bad(entry, shape + ": expected a whole number of bytes below 2^61");
    if (*size != entry.end - entry.begin)
      return bad(entry, shape + " takes " + std::to_string(*size) + " bytes, but data_offsets span " +
                            std::to_string(entry.end - entry.begin));
    return {};
  }

  // All entries together: they cover the data without a gap and without sharing a byte.
  [[nodiscard]] Status coverage(const std::vector<HeaderEntry>& entries) const {
    std::vector<const HeaderEntry*> order;
    order.reserve(entries.size());
    for (const HeaderEntry& entry : entries) order.push_back(&entry);
    std::sort(order.begin(), order.end(), [](const HeaderEntry* a, const HeaderEntry* b) {
      return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
    });
    std::uint64_t at = 0;
    for (const HeaderEntry* entry : order) {
      if (entry->begin != at)
        return bad(*entry, "data_offsets: expected to begin at " + std::to_string(at) +
                               ", where the tensor before it ends, found " + offsets(*entry));
      at = entry->end;
    }
    if (at != data_size_)
      return Error{ErrorCode::kBadFormat, file_ + ": expected " + std::to_string(at) +
                                              " bytes of tensors after the header, found " +
                                              std::to_string(data_size_) + "."};
    return {};
  }

 private:
  static std::string offsets(const HeaderEntry& entry) {
    return shape_text(std::array{entry.begin, entry.end});
  }

  [[nodiscard]] Error bad(const HeaderEntry& entry, const std::string& problem) const {
    return {ErrorCode::kBadFormat, file_ + ": tensor " + base::quote(entry.name) + ": " + problem + "."};
  }

  std::uint64_t data_size_;
  std::string file_;
};

}  // namespace

Result<Safetensors> Safetensors::parse(std::span<const std::byte> bytes, std::string_view name) {
  const auto bad = [&](const std::string& problem) {
    return Error{ErrorCode::kBadFormat, std::string(name) + ": " + problem + "."};
  };
  // What `git clone` leaves of a large file when git-lfs is not installed: common, and baffling.
  if (as_text(bytes).starts_with("version https://git-lfs"))
    return bad("expected a safetensors file, found a Git LFS pointer to it; fetch it with `git lfs pull`");
  if (bytes.size() < kLengthBytes)
    return bad("expected a safetensors file, found " + std::to_string(bytes.size()) + " bytes");
  const std::uint64_t header_size = little_endian(bytes);
  if (header_size > kMaxHeaderBytes)
    return bad("expected a safetensors file with a header of at most " + std::to_string(kMaxHeaderBytes) +
               " bytes, found " + std::to_string(header_size));
  if (header_size > bytes.size() - kLengthBytes)
    return bad("expected a header of " + std::to_string(header_size) + " bytes, found " +
               std::to_string(bytes.size() - kLengthBytes) + ", as if the file were cut short");
  const auto data = bytes.subspan(kLengthBytes + header_size);
  GEMVEC_TRY(entries, parse_safetensors_header(as_text(bytes.subspan(kLengthBytes, header_size)), name));
  const Checker checker(data.size(), name);
  for (const HeaderEntry& entry : entries) GEMVEC_CHECK_OK(checker.entry(entry));
  GEMVEC_CHECK_OK(checker.coverage(entries));

  Safetensors result;
  result.tensors_.reserve(entries.size());
  for (HeaderEntry& entry : entries) {
    result.tensors_.push_back({std::move(entry.name), std::move(entry.dtype), std::move(entry.shape),
                               data.subspan(entry.begin, entry.end - entry.begin)});
  }
  std::sort(result.tensors_.begin(), result.tensors_.end(),
            [](const Tensor& a, const Tensor& b) { return a.name < b.name; });
  return result;
}

Result<Safetensors> Safetensors::open(const std::filesystem::path& path) {
  GEMVEC_TRY(file, base::MappedFile::open(path));
  GEMVEC_TRY(result, parse(file.bytes(), path.string()));
  result.file_ = std::move(file);
  return result;
}

const Tensor* Safetensors::find(std::string_view name) const {
  const auto found =
      std::lower_bound(tensors_.begin(), tensors_.end(), name,
                       [](const Tensor& tensor, std::string_view key) { return tensor.name < key; });
  return found != tensors_.end() && found->name == name ? &*found : nullptr;
}

std::string shape_text(std::span<const std::uint64_t> shape) {
  std::string text = "[";
  for (const std::uint64_t dim : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(dim);
  }
  return text + "]";
}

}  // namespace gemvec::formats
