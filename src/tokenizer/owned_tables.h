// The tokenizer's tables in memory of their own, while they are filled and after.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tables.h"

namespace gemvec::tokenizer {

// The arrays that Tables views, under the same names; tables.h says what they hold.
struct OwnedTables {
  std::string piece_bytes;
  std::vector<std::uint32_t> piece_begin;
  std::vector<std::uint16_t> char_page;
  std::vector<std::int32_t> char_id;
  std::array<std::int32_t, 256> byte_id{};
  bool bytes_merge = false;
  std::vector<std::int32_t> merged;
  std::vector<std::uint64_t> slot;
  std::vector<std::uint64_t> ascii, hashed;
  std::vector<AddedTokens::Node> node;
  std::array<std::uint8_t, 256> starts{};
  std::int32_t bos = kNoToken, eos = kNoToken, pad = kNoToken;

  OwnedTables();

  // Valid until an array changes, or the object goes or moves: piece_bytes and the two arrays move with it.
  [[nodiscard]] Tables view() const;

  void set_char(char32_t code_point, std::int32_t token);
  void reserve_pairs(std::size_t pairs);
  // False if the pair is there already. REQUIRES: fewer pairs so far than reserved.
  bool insert_pair(std::int32_t left, std::int32_t right, std::uint32_t rank);
  void insert_junction(char32_t left, char32_t right);
  // REQUIRES: content is not empty and was not added before.
  void insert_added(std::string_view content, std::int32_t token, bool is_control);

  [[nodiscard]] std::size_t vocab_size() const { return piece_begin.size() - 1; }
  // REQUIRES: 0 <= id < vocab_size()
  [[nodiscard]] std::string_view piece(std::int32_t id) const {
    const auto at = static_cast<std::size_t>(id);
    return std::string_view(piece_bytes).substr(piece_begin[at], piece_begin[at + 1] - piece_begin[at]);
  }
};

// 64 - log2(slots). REQUIRES: a power of two above 1
unsigned pair_shift(std::size_t slots);

}  // namespace gemvec::tokenizer
