// One text -> token ids.
#pragma once

#include <string_view>

#include "gemvec/result.h"
#include "gemvec/tokenizer.h"
#include "tokenizer/tables.h"

namespace gemvec::tokenizer {

// What Tokenizer::encode() promises.
Result<Encoding> encode(const Tables& tables, std::string_view text, const TokenizeOptions& options);

}  // namespace gemvec::tokenizer
