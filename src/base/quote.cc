#include "base/quote.h"

#include <cstddef>

#include "base/utf8.h"

namespace gemvec::base {

std::string quote(std::string_view text) {
  constexpr std::size_t kMaxBytes = 80;  // a message stays one readable line
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size();) {
    if (at >= kMaxBytes) {
      out += "...";
      break;
    }
    const CodePoint point = decode_utf8(text, at);
    const bool control = point.value < 0x20 || (point.value >= 0x7F && point.value < 0xA0);
    if (point.valid && !control) {
      out += text.substr(at, point.size);
    } else {
      for (const char c : text.substr(at, point.size)) {
        const auto byte = static_cast<unsigned char>(c);
        out += "\\x";
        out += kHex[byte >> 4];
        out += kHex[byte & 15];
      }
    }
    at += point.size;
  }
  return out + "\"";
}

}  // namespace gemvec::base
