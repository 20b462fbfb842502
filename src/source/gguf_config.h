// The keys of a GGUF file -> model::Config, or a message about why it is no EmbeddingGemma.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"
#include "gemvec/result.h"
#include "model/config.h"

namespace gemvec::source {

struct GgufConfig {
  model::Config config;        // vocab and dense_width are the release's: the tensors know them
  std::string prefix;          // of the architecture's keys: "gemma-embedding."
  std::string dense2, dense3;  // what the dense layers' tensors are called
  std::vector<std::string> notes;
};

// Two architectures are EmbeddingGemma: "gemma-embedding", and "gemma3" if the file has a tensor
// dense.0.weight, which no language model has.
//
// Refused, because gemvec would give other vectors than the file asks for: another architecture; pooling that
// is not the mean; causal attention; soft-capping; scaled RoPE; more than one key/value head; values of
// another size than keys; a part of a model that was split. sliding_window: as in model_config.h.
//
// Errors: kBadFormat, kUnsupported.
Result<GgufConfig> read_gguf_config(const formats::Gguf& gguf, std::string_view file);

}  // namespace gemvec::source
