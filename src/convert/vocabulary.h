// A tokenizer's tables as other programs want them: in a GGUF file's arrays, in a tokenizer.json.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/tables.h"

namespace gemvec::convert {

// tokenizer.ggml.token_type
enum class TokenType : std::int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

struct GgufVocabulary {
  std::vector<std::string> tokens;  // [size]
  std::vector<float> scores;        // [size]
  std::vector<std::int32_t> types;  // [size] TokenType
};

// `size` rows: those of the embedding table; ids that the tokenizer has not become "[PADn]".
//
// llama.cpp merges the adjacent pair whose piece has the highest score, and knows no pairs. So the k-th piece
// in the order of the lowest rank that makes it gets the score -k: where every split of a piece into two
// pieces is a merge, as in Gemma's vocabulary, the result is that of the merges. Pieces that no merge makes
// come after. REQUIRES: size >= tables.vocab_size()
GgufVocabulary gguf_vocabulary(const tokenizer::Tables& tables, std::size_t size);

// How many pairs a reader of such scores treats otherwise than these tables do: pairs of pieces whose joint
// text is a piece, though no merge joins them, and merges whose rank does not stand beside the others that
// make the same piece. 0 of the release: texts then have the same tokens.
std::size_t merges_not_in_scores(const tokenizer::Tables& tables);

// A tokenizer.json of these tables. The `tokenizers` package gives the same ids with it as gemvec, and gemvec
// the same tables. Strings beyond the vocabulary (<image_soft_token>) are not in the tables, and not in it.
std::string tokenizer_json(const tokenizer::Tables& tables);

}  // namespace gemvec::convert
