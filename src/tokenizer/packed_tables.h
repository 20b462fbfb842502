// The tokenizer's tables as bytes of a file, to be mapped and used where they lie.
//
// docs/formats/tokenizer-tables.md describes the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "gemvec/result.h"
#include "tokenizer/tables.h"

namespace gemvec::tokenizer {

// Raised whenever the meaning of a byte changes, also of one inside a table, such as a hash function's.
inline constexpr std::uint32_t kPackedTablesVersion = 1;
inline constexpr std::size_t kPackedAlignment = 64;  // of the bytes, and of each table in them

std::size_t packed_bytes(const Tables& tables);

// Fills out, [packed_bytes(tables)]; what lies between two tables stays as it was.
void pack_tables(const Tables& tables, std::span<std::byte> out);

// Views into the bytes, which must outlive them. Looks at every index and size in them, so that encoding with
// the views stays inside them and ends whatever the bytes say; that they are the right ones is for a checksum
// to say.
// REQUIRES: bytes at a multiple of kPackedAlignment
// Errors: kBadFormat, with `name` as the file's name.
Result<Tables> view_tables(std::span<const std::byte> bytes, std::string_view name);

}  // namespace gemvec::tokenizer
