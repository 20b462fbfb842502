// The sentence-transformers side of a model folder: which modules follow the transformer, and that they
// are the ones that gemvec computes.
#pragma once

#include <cstddef>
#include <filesystem>

#include "gemvec/result.h"

namespace gemvec::source {

struct Modules {
  std::filesystem::path dense2, dense3;  // the folders of the two dense layers
  std::size_t max_tokens = 0;            // max_seq_length of sentence_bert_config.json; 0: not given
};

// The pipeline must be Transformer, mean Pooling that counts the prompt, two Dense layers without bias or
// activation, Normalize. A folder without modules.json, or without a module's config.json, is taken to be
// the release's: the tensors' shapes are checked in any case.
//
// `width` is the transformer's. Errors: kIo, kBadFormat, kUnsupported.
Result<Modules> read_modules(const std::filesystem::path& model_dir, std::size_t width);

}  // namespace gemvec::source
