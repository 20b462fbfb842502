// Whether a tokenizer.json describes the tokenizer that gemvec implements.
#pragma once

#include <string_view>

#include "gemvec/result.h"
#include "tokenizer/json_reader.h"

namespace gemvec::tokenizer {

// Looks at the fields beside the lists: kind of model, normalizer, pre-tokenizer, post-processor.
// Errors: kBadFormat, naming the field and what it must be.
Status check_config(const TokenizerJson& json, std::string_view name);

}  // namespace gemvec::tokenizer
