// How the loader of tokenizer.json words what is wrong with a file.
#pragma once

#include <string_view>

#include "gemvec/result.h"

namespace gemvec::tokenizer {

// kBadFormat: `NAME: field "FIELD" EXPECTED.`, or without a field `NAME: EXPECTED.`
Error bad_format(std::string_view name, std::string_view field, std::string_view expected);

}  // namespace gemvec::tokenizer
