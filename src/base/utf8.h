// Reading UTF-8 that may be broken, as Python's and Rust's lossy decoders do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gemvec::base {

struct CodePoint {
  char32_t value = 0;     // U+FFFD if invalid
  std::uint8_t size = 0;  // bytes consumed, 1..4
  bool valid = false;
};

// The code point at text[at]. An invalid sequence consumes its maximal valid prefix (at least one
// byte), so that replacing each one by U+FFFD gives what String::from_utf8_lossy and
// bytes.decode("utf-8", "replace") give.
// REQUIRES: at < text.size()
CodePoint decode_utf8(std::string_view text, std::size_t at);

}  // namespace gemvec::base
