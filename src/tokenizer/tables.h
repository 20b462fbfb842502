// The tokenizer's tables: what tokenizer.json says, in the form that encoding wants.
//
// Every table is a flat array of plain integers that refer to each other by index, never by pointer. What
// stands here are views: the arrays lie in OwnedTables (owned_tables.h) after a tokenizer.json was read, or
// in a mapped file (packed_tables.h). Copies of views are cheap and see the same arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace gemvec::tokenizer {

inline constexpr std::int32_t kNoToken = -1;

// A pair of ids and its rank share one 64-bit word: 20 + 20 + 24 bits. Gemma 3 needs 18, 18 and 19.
inline constexpr unsigned kIdBits = 20, kRankBits = 24;
inline constexpr std::uint32_t kNoMerge = (1u << kRankBits) - 1;  // as a rank: this pair does not merge
inline constexpr std::size_t kMaxVocab = (std::size_t{1} << kIdBits) - 1;  // the last id marks free slots
inline constexpr std::size_t kMaxMerges = kNoMerge;
// Bytes of the longest piece. Gemma 3's longest has 93; the merger counts a token's bytes in 16 bits, and a
// bound on added tokens keeps the scan of a text linear.
inline constexpr std::size_t kMaxPieceBytes = 1024;

inline constexpr char32_t kSpaceMark = 0x2581;  // U+2581, what the normalizer writes for ' '
inline constexpr std::string_view kSpaceMarkUtf8 = "\xE2\x96\x81";
inline constexpr std::size_t kCodePoints = 0x110000;
// What stands for a byte token where a code point is expected; one above the last code point.
inline constexpr char32_t kByteSymbol = kCodePoints;

// Code points -> ids, in pages of 256 code points. Page 0 holds no id at all, and all code points
// that the vocabulary lacks share it.
struct CharTable {
  static constexpr std::size_t kPages = kCodePoints >> 8;
  std::span<const std::uint16_t> page;  // [kPages]
  std::span<const std::int32_t> id;     // [pages * 256], kNoToken if there is no such piece

  [[nodiscard]] std::int32_t find(char32_t code_point) const {
    return id[std::size_t{page[code_point >> 8]} << 8 | (code_point & 0xFF)];
  }
};

// (left, right) -> rank, by open addressing with linear probing, at most half full.
struct PairTable {
  std::span<const std::uint64_t> slot;  // [power of two] left << 44 | right << 24 | rank, or kFree
  unsigned shift = 64;                  // 64 - log2(slots)

  static constexpr std::uint64_t kFree = ~std::uint64_t{0};

  [[nodiscard]] std::uint32_t find(std::int32_t left, std::int32_t right) const {
    const std::uint64_t key = pack(left, right);
    for (std::size_t at = home(key, shift);; at = (at + 1) & (slot.size() - 1)) {
      if (slot[at] >> kRankBits == key) return static_cast<std::uint32_t>(slot[at] & kNoMerge);
      if (slot[at] == kFree) return kNoMerge;
    }
  }

  static std::uint64_t pack(std::int32_t left, std::int32_t right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << kIdBits | static_cast<std::uint32_t>(right);
  }
  // Fibonacci hashing: 2^64 / golden ratio spreads consecutive keys over the upper bits.
  static std::size_t home(std::uint64_t key, unsigned shift) { return key * 0x9E3779B97F4A7C15u >> shift; }
};

// Which neighbouring code points some merge can ever join. A merge (a, b) works across the boundary
// between the last symbol of a and the first symbol of b, and those are a's last and b's first code
// point (see encode.cc for byte symbols). So if no merge of the table has that pair at its junction,
// no token ever spans that boundary, whatever stands around it: the merges on its left and those on
// its right do not see each other, and both sides can be tokenised on their own with the same result.
// In Gemma 3's table only '>' and the space mark itself join with a following space mark: words are
// apart. Pairs of ASCII are exact; the others share a bitmap by hash, where a collision only costs a
// cut that would have been possible.
struct JunctionSet {
  static constexpr unsigned kHashBits = 19;  // 64 KiB; Gemma 3's 34 thousand junctions fill 6 %
  static constexpr std::size_t kAsciiWords = std::size_t{128} * 128 / 64;
  static constexpr std::size_t kHashedWords = (std::size_t{1} << kHashBits) / 64;
  std::span<const std::uint64_t> ascii;   // [kAsciiWords]
  std::span<const std::uint64_t> hashed;  // [kHashedWords]

  // The space mark counts as ' ', so that the commonest boundary of all is an exact one.
  [[nodiscard]] bool contains(char32_t left, char32_t right) const {
    if ((left | right) < 128) return ascii[left * 2 + (right >> 6)] >> (right & 63) & 1;
    const std::size_t bit = hash(left, right);
    return hashed[bit >> 6] >> (bit & 63) & 1;
  }

  static std::size_t hash(char32_t left, char32_t right) {
    // Code points have 21 bits.
    return (std::uint64_t{left} << 21 | right) * 0x9E3779B97F4A7C15u >> (64 - kHashBits);
  }
};

// The added tokens as a trie over bytes, in the form first child, next sibling. A child's
// number is above its parent's and a next sibling's below its own, so every walk ends.
struct AddedTokens {
  struct Node {
    std::uint32_t child = 0, sibling = 0;  // 0: none (the root is nobody's child)
    std::int32_t token = kNoToken;         // the added token that ends here
    std::uint8_t byte = 0;
    std::uint8_t is_control = 0;  // 1: matches only where control strings are parsed
    std::uint8_t unused[2] = {};
  };
  struct Match {
    std::int32_t token = kNoToken;
    std::size_t size = 0;  // bytes
  };
  std::span<const Node> node;            // node[0] is the root
  std::span<const std::uint8_t> starts;  // [256] 1 if some added token starts with this byte

  // The longest added token that stands at text[at]. Looks at kMaxPieceBytes bytes at most.
  [[nodiscard]] Match longest(std::string_view text, std::size_t at, bool parse_control) const;
};

struct Tables {
  std::string_view piece_bytes;                // all pieces, in the order of their ids
  std::span<const std::uint32_t> piece_begin;  // [vocab + 1] offsets into piece_bytes
  CharTable chars;
  std::span<const std::int32_t> byte_id;  // [256] the id of "<0x..>"
  bool bytes_merge = false;               // some merge has a byte token as a part (not in Gemma 3)
  std::span<const std::int32_t> merged;   // [rank] the id that a merge makes
  PairTable pairs;
  JunctionSet junctions;
  AddedTokens added;
  std::int32_t bos = kNoToken, eos = kNoToken, pad = kNoToken;

  [[nodiscard]] std::size_t vocab_size() const { return piece_begin.size() - 1; }
  // REQUIRES: 0 <= id < vocab_size()
  [[nodiscard]] std::string_view piece(std::int32_t id) const {
    const auto at = static_cast<std::size_t>(id);
    return piece_bytes.substr(piece_begin[at], piece_begin[at + 1] - piece_begin[at]);
  }
};

}  // namespace gemvec::tokenizer
