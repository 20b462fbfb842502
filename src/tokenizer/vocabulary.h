// A SentencePiece vocabulary, as GGUF files carry it -> the tokenizer's tables.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "gemvec/result.h"
#include "tokenizer/owned_tables.h"

namespace gemvec::tokenizer {

enum class PieceType : std::int64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

// The lists by id, all of one length.
struct Vocabulary {
  std::span<const std::string_view> pieces;  // UTF-8; a space is U+2581, or ' ' in user-defined pieces
  std::span<const float> scores;
  std::span<const std::int64_t> types;  // PieceType
};

// SentencePiece has no list of merges: it joins the two neighbours whose joint piece has the best score. So a
// pair merges if both parts and the whole are pieces of text (normal or user-defined), and its rank is that
// of the whole. User-defined pieces, which SentencePiece matches before it joins anything, have the best
// score that there is. Of pairs with one score that with the longer left part comes first, then that with the
// longer right part, then the smaller id. That is how the release's tokenizer.json was made of the same
// vocabulary, and the tables are equal to those made from it: also in what a text with a raw U+2581 beside
// spaces gives, where SentencePiece itself differs from it.
//
// Control, unknown and user-defined pieces become added tokens, which are looked for in the raw text.
//
// Time and memory are linear in the pieces' bytes, but for sorting. Errors: kBadFormat, kUnsupported; `name`
// is the file's.
Result<OwnedTables> build_tables(const Vocabulary& vocabulary, std::string_view name);

}  // namespace gemvec::tokenizer
