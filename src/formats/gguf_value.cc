// Values of a GGUF file's metadata as C++ types. The parser has checked that the bytes hold what type and
// count say.
#include <fmt/format.h>

#include <cstring>

#include "base/quote.h"
#include "formats/gguf.h"

namespace gemvec::formats {

namespace {

template <class T>
T read(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

// An integer or a bool at `from`; empty for other types, and for what int64 cannot hold.
std::optional<std::int64_t> integer_at(GgufType type, const std::byte* from) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kBool:
      return read<std::uint8_t>(from);
    case GgufType::kI8:
      return read<std::int8_t>(from);
    case GgufType::kU16:
      return read<std::uint16_t>(from);
    case GgufType::kI16:
      return read<std::int16_t>(from);
    case GgufType::kU32:
      return read<std::uint32_t>(from);
    case GgufType::kI32:
      return read<std::int32_t>(from);
    case GgufType::kI64:
      return read<std::int64_t>(from);
    case GgufType::kU64:
      if (const auto value = read<std::uint64_t>(from); value <= INT64_MAX)
        return static_cast<std::int64_t>(value);
      return std::nullopt;
    case GgufType::kF32:
    case GgufType::kF64:
    case GgufType::kString:
    case GgufType::kArray:
      break;
  }
  return std::nullopt;
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::optional<std::uint64_t> GgufValue::whole_number() const {
  if (is_array || type == GgufType::kBool) return std::nullopt;
  const auto value = integer_at(type, bytes.data());
  if (!value || *value < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

std::optional<double> GgufValue::number() const {
  if (is_array) return std::nullopt;
  if (type == GgufType::kF32) return read<float>(bytes.data());
  if (type == GgufType::kF64) return read<double>(bytes.data());
  return std::nullopt;
}

std::optional<bool> GgufValue::boolean() const {
  if (is_array || type != GgufType::kBool) return std::nullopt;
  return bytes[0] != std::byte{0};
}

std::optional<std::string_view> GgufValue::text() const {
  if (is_array || type != GgufType::kString) return std::nullopt;
  return as_text(bytes);
}

std::optional<std::vector<std::string_view>> GgufValue::texts() const {
  if (!is_array || type != GgufType::kString) return std::nullopt;
  std::vector<std::string_view> texts;
  texts.reserve(count);
  for (auto rest = bytes; !rest.empty();) {
    const auto size = read<std::uint64_t>(rest.data());
    texts.push_back(as_text(rest.subspan(sizeof(size), size)));
    rest = rest.subspan(sizeof(size) + size);
  }
  return texts;
}

std::optional<std::vector<float>> GgufValue::floats() const {
  if (!is_array || type != GgufType::kF32) return std::nullopt;
  std::vector<float> values(count);
  if (count != 0) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::optional<std::vector<std::int64_t>> GgufValue::whole_numbers() const {
  if (!is_array || type == GgufType::kString || type == GgufType::kF32 || type == GgufType::kF64)
    return std::nullopt;
  std::vector<std::int64_t> values;
  values.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto value = integer_at(type, bytes.data() + i * (bytes.size() / count));
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

std::string GgufValue::describe() const {
  if (is_array)
    return fmt::format("an array of {} {}", count, type == GgufType::kString ? "strings" : "numbers");
  if (const auto value = text()) return base::quote(*value);
  if (const auto value = boolean()) return *value ? "true" : "false";
  // A float as the shortest decimal that stands for it, and not for the double nearest to it.
  if (type == GgufType::kF32) return fmt::format("{}", read<float>(bytes.data()));
  if (const auto value = number()) return fmt::format("{}", *value);
  if (const auto value = integer_at(type, bytes.data())) return fmt::format("{}", *value);
  return fmt::format("{}", read<std::uint64_t>(bytes.data()));
}

}  // namespace gemvec::formats
