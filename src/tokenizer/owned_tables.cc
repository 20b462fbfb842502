// Filling the tokenizer's tables.
#include "tokenizer/owned_tables.h"

#include <bit>

namespace gemvec::tokenizer {

unsigned pair_shift(std::size_t slots) { return 64 - static_cast<unsigned>(std::countr_zero(slots)); }

OwnedTables::OwnedTables()
    : char_page(CharTable::kPages, 0),
      char_id(256, kNoToken),
      slot(2, PairTable::kFree),
      ascii(JunctionSet::kAsciiWords, 0),
      hashed(JunctionSet::kHashedWords, 0),
      node(1) {}

Tables OwnedTables::view() const {
  Tables tables;
  tables.piece_bytes = piece_bytes;
  tables.piece_begin = piece_begin;
  tables.chars = {char_page, char_id};
  tables.byte_id = byte_id;
  tables.bytes_merge = bytes_merge;
  tables.merged = merged;
  tables.pairs = {slot, pair_shift(slot.size())};
  tables.junctions = {ascii, hashed};
  tables.added = {node, starts};
  tables.bos = bos;
  tables.eos = eos;
  tables.pad = pad;
  return tables;
}

void OwnedTables::set_char(char32_t code_point, std::int32_t token) {
  std::uint16_t& number = char_page[code_point >> 8];
  if (number == 0) {
    number = static_cast<std::uint16_t>(char_id.size() >> 8);
    char_id.resize(char_id.size() + 256, kNoToken);
  }
  char_id[std::size_t{number} << 8 | (code_point & 0xFF)] = token;
}

void OwnedTables::reserve_pairs(std::size_t pairs) {
  slot.assign(std::bit_ceil(pairs * 2 + 2), PairTable::kFree);
}

bool OwnedTables::insert_pair(std::int32_t left, std::int32_t right, std::uint32_t rank) {
  const std::uint64_t key = PairTable::pack(left, right);
  std::size_t at = PairTable::home(key, pair_shift(slot.size()));
  while (slot[at] != PairTable::kFree) {
    if (slot[at] >> kRankBits == key) return false;
    at = (at + 1) & (slot.size() - 1);
  }
  slot[at] = key << kRankBits | rank;
  return true;
}

void OwnedTables::insert_junction(char32_t left, char32_t right) {
  if (left == kSpaceMark) left = U' ';
  if (right == kSpaceMark) right = U' ';
  if ((left | right) < 128) {
    ascii[left * 2 + (right >> 6)] |= std::uint64_t{1} << (right & 63);
  } else {
    const std::size_t bit = JunctionSet::hash(left, right);
    hashed[bit >> 6] |= std::uint64_t{1} << (bit & 63);
  }
}

void OwnedTables::insert_added(std::string_view content, std::int32_t token, bool is_control) {
  starts[static_cast<std::uint8_t>(content[0])] = 1;
  std::uint32_t at = 0;
  for (const char c : content) {
    const auto byte = static_cast<std::uint8_t>(c);
    std::uint32_t next = node[at].child;
    while (next != 0 && node[next].byte != byte) next = node[next].sibling;
    if (next == 0) {
      next = static_cast<std::uint32_t>(node.size());
      AddedTokens::Node fresh;
      fresh.sibling = node[at].child;
      fresh.byte = byte;
      node.push_back(fresh);
      node[at].child = next;
    }
    at = next;
  }
  node[at].token = token;
  node[at].is_control = is_control ? 1 : 0;
}

}  // namespace gemvec::tokenizer
