// Searching the tokenizer's tables.
#include "tokenizer/tables.h"

namespace gemvec::tokenizer {

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
