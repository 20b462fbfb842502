// Wording of errors about tokenizer.json.
#include "tokenizer/messages.h"

#include <fmt/format.h>

namespace gemvec::tokenizer {

Error bad_format(std::string_view name, std::string_view field, std::string_view expected) {
  if (field.empty()) return {ErrorCode::kBadFormat, fmt::format("{}: {}.", name, expected)};
  return {ErrorCode::kBadFormat, fmt::format("{}: field \"{}\" {}.", name, field, expected)};
}

}  // namespace gemvec::tokenizer
