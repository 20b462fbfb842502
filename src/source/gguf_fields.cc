#include "source/gguf_fields.h"

#include <fmt/format.h>

namespace gemvec::source {

Result<std::uint64_t> GgufFields::whole_number(std::string_view key, std::uint64_t min,
                                               std::uint64_t max) const {
  if (const auto* value = find(key); value != nullptr) {
    if (const auto number = value->whole_number(); number && *number >= min && *number <= max) return *number;
  }
  return expected(key, fmt::format("a whole number from {} to {}", min, max));
}

Result<double> GgufFields::number(std::string_view key, double min, double max) const {
  if (const auto* value = find(key); value != nullptr) {
    if (const auto number = value->number(); number && *number > min && *number <= max) return *number;
  }
  return expected(key, fmt::format("a number above {} and up to {}", min, max));
}

Result<std::string_view> GgufFields::text(std::string_view key) const {
  if (const auto* value = find(key); value != nullptr) {
    if (const auto text = value->text(); text) return *text;
  }
  return expected(key, "a string");
}

Status GgufFields::absent_or(std::string_view key, bool value) const {
  const auto* found = find(key);
  if (found == nullptr || found->boolean() == value) return {};
  return expected(key, value ? "true" : "false",
                  found->boolean() ? ErrorCode::kUnsupported : ErrorCode::kBadFormat);
}

Status GgufFields::absent_or(std::string_view key, std::uint64_t value) const {
  const auto* found = find(key);
  if (found == nullptr || found->whole_number() == value) return {};
  return expected(key, fmt::format("{}", value),
                  found->whole_number() ? ErrorCode::kUnsupported : ErrorCode::kBadFormat);
}

Status GgufFields::absent_or(std::string_view key, float value) const {
  const auto* found = find(key);
  if (found == nullptr || found->number() == static_cast<double>(value)) return {};
  return expected(key, fmt::format("{}", value),
                  found->number() ? ErrorCode::kUnsupported : ErrorCode::kBadFormat);
}

Error GgufFields::expected(std::string_view key, std::string_view what, ErrorCode code) const {
  const auto* value = find(key);
  return {code, fmt::format("{}: {}: expected {}, found {}.", file_, full(key), what,
                            value == nullptr ? "nothing" : value->describe())};
}

}  // namespace gemvec::source
