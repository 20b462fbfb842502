// What `embed` and `tokenize` did to the texts that went through them, and the warnings at the end.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gemvec::cli {

struct TextCounts {
  std::uint64_t texts = 0;
  std::uint64_t truncated = 0;          // texts
  std::uint64_t repaired = 0;           // texts with invalid UTF-8
  std::uint64_t invalid_sequences = 0;  // in all of those

  void add(bool was_truncated, std::uint64_t invalid);
  // Says on standard error how many texts were cut to max_tokens, and how many repaired; nothing if none was.
  void warn(std::size_t max_tokens) const;
};

}  // namespace gemvec::cli
