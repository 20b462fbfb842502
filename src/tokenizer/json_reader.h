// tokenizer.json as it is written: its lists and fields, read in one pass, not yet checked against
// each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gemvec/result.h"

namespace gemvec::tokenizer {

// The release's file has 33 MB. The limit keeps offsets into the strings below 2^32.
inline constexpr std::size_t kMaxJsonBytes = std::size_t{256} << 20;

// A string in TokenizerJson::strings.
struct StringRange {
  std::uint32_t begin = 0, size = 0;
};

struct VocabEntry {
  StringRange piece;
  std::int64_t id = 0;
};

// Both pieces lie one after the other, so that the range of both is the merged piece.
struct MergeEntry {
  StringRange both;
  std::uint32_t left_size = 0;
};

struct AddedEntry {
  StringRange content;
  std::int64_t id = -1;
  bool has_id = false, special = false;
  bool normalized = false, lstrip = false, rstrip = false, single_word = false;
};

// Any value that is not an object or an array.
struct Scalar {
  enum class Kind { kNull, kBool, kNumber, kString };
  Kind kind = Kind::kNull;
  std::string text;  // as JSON spells it, but a string without quotes and escapes
};

struct TokenizerJson {
  std::string strings;
  std::vector<VocabEntry> vocab;   // "model.vocab", in the file's order
  std::vector<MergeEntry> merges;  // "model.merges"; the index is the rank
  std::vector<AddedEntry> added;   // "added_tokens"
  bool has_vocab = false, has_merges = false, has_added = false;
  // All other values by their path, such as "normalizer.pattern.String" or "post_processor.single[0].type".
  std::map<std::string, Scalar, std::less<>> fields;

  [[nodiscard]] std::string_view string(StringRange range) const {
    return std::string_view(strings).substr(range.begin, range.size);
  }
};

// Errors: kBadFormat, with `name` as the file's name.
Result<TokenizerJson> read_tokenizer_json(std::string_view json, std::string_view name);

}  // namespace gemvec::tokenizer
