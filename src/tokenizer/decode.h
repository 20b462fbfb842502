// Token ids -> text.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "tokenizer/tables.h"

namespace gemvec::tokenizer {

// What Tokenizer::is_special() and Tokenizer::decode() promise.
bool is_special(const Tables& tables, std::int32_t id);
std::string decode(const Tables& tables, std::span<const std::int32_t> ids, bool skip_special);

}  // namespace gemvec::tokenizer
