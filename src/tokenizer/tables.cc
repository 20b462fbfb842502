// Filling and searching the tokenizer's tables.
#include "tokenizer/tables.h"

#include <bit>

namespace gemvec::tokenizer {

CharTable::CharTable() : page(0x110000 >> 8, 0), id(256, kNoToken) {}

void CharTable::set(char32_t code_point, std::int32_t token) {
  std::uint16_t& number = page[code_point >> 8];
  if (number == 0) {
    number = static_cast<std::uint16_t>(id.size() >> 8);
    id.resize(id.size() + 256, kNoToken);
  }
  id[std::size_t{number} << 8 | (code_point & 0xFF)] = token;
}

void PairTable::reserve(std::size_t pairs) {
  const std::size_t slots = std::bit_ceil(pairs * 2 + 2);
  slot.assign(slots, kFree);
  shift = 64 - static_cast<unsigned>(std::countr_zero(slots));
}

bool PairTable::insert(std::int32_t left, std::int32_t right, std::uint32_t rank) {
  const std::uint64_t key = pack(left, right);
  std::size_t at = home(key);
  while (slot[at] != kFree) {
    if (slot[at] >> kRankBits == key) return false;
    at = (at + 1) & (slot.size() - 1);
  }
  slot[at] = key << kRankBits | rank;
  return true;
}

JunctionSet::JunctionSet()
    : ascii(std::size_t{128} * 128 / 64, 0), hashed((std::size_t{1} << kHashBits) / 64, 0) {}

void JunctionSet::insert(char32_t left, char32_t right) {
  if (left == kSpaceMark) left = U' ';
  if (right == kSpaceMark) right = U' ';
  if ((left | right) < 128) {
    ascii[left * 2 + (right >> 6)] |= std::uint64_t{1} << (right & 63);
  } else {
    const std::size_t bit = hash(left, right);
    hashed[bit >> 6] |= std::uint64_t{1} << (bit & 63);
  }
}

void AddedTokens::insert(std::string_view content, std::int32_t token, bool is_control) {
  starts[static_cast<std::uint8_t>(content[0])] = 1;
  std::uint32_t at = 0;
  for (const char c : content) {
    const auto byte = static_cast<std::uint8_t>(c);
    std::uint32_t next = node[at].child;
    while (next != 0 && node[next].byte != byte) next = node[next].sibling;
    if (next == 0) {
      next = static_cast<std::uint32_t>(node.size());
      Node fresh;
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

AddedTokens::Match AddedTokens::longest(std::string_view text, std::size_t at, bool parse_control) const {
  Match best;
  std::uint32_t here = 0;
  for (std::size_t i = at; i < text.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    here = node[here].child;
    while (here != 0 && node[here].byte != byte) here = node[here].sibling;
    if (here == 0) break;
    if (node[here].token != kNoToken && (parse_control || node[here].is_control == 0)) {
      best = {node[here].token, i + 1 - at};
    }
  }
  return best;
}

}  // namespace gemvec::tokenizer
