// tokenizer.json as read -> the tables that encoding works with.
#pragma once

#include <string_view>

#include "gemvec/result.h"
#include "tokenizer/json_reader.h"
#include "tokenizer/owned_tables.h"

namespace gemvec::tokenizer {

// What messages call the lists.
struct ListNames {
  std::string_view vocab = "model.vocab", merges = "model.merges", added = "added_tokens";
};

// Checks that the lists agree with each other; after it every id in the tables is below vocab_size().
// Added tokens with ids beyond the vocabulary are left out: the embedding table has no row for them.
// Errors: kBadFormat, naming the file and the field.
Result<OwnedTables> build_tables(const TokenizerJson& json, std::string_view name);

// The same for lists that come from a file of another kind: json.fields are not looked at.
Result<OwnedTables> build_from_lists(const TokenizerJson& json, std::string_view name,
                                     const ListNames& lists);

}  // namespace gemvec::tokenizer
