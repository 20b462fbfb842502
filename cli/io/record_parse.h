// What the record readers share: token ids written as text.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "gemvec/result.h"

namespace gemvec::cli {

// "2 8071 1": decimal numbers with spaces between, as `gemvec tokenize` prints them.
// Errors: kBadFormat, beginning with `where`.
Result<std::vector<std::int32_t>> parse_ids(std::string_view text, std::string_view where);

}  // namespace gemvec::cli
