// The vocabulary in a GGUF file -> a tokenizer.
#pragma once

#include <string_view>

#include "formats/gguf.h"
#include "gemvec/result.h"
#include "gemvec/tokenizer.h"

namespace gemvec::source {

// The vocabulary must be SentencePiece's (tokenizer.ggml.model = "llama") with scores and types. A flag that
// is absent is taken to be EmbeddingGemma's; one that is there and says something else is refused, as are
// other ids for BOS, EOS and PAD than the pieces <bos>, <eos> and <pad> have.
//
// The tokenizer keeps its own memory. Errors: kBadFormat, kUnsupported.
Result<Tokenizer> read_gguf_tokenizer(const formats::Gguf& gguf, std::string_view file);

}  // namespace gemvec::source
