#include "cli/commands/text_counts.h"

#include <spdlog/spdlog.h>

#include "cli/terminal/format.h"

namespace gemvec::cli {

void TextCounts::add(bool was_truncated, std::uint64_t invalid) {
  ++texts;
  truncated += was_truncated ? 1 : 0;
  repaired += invalid != 0 ? 1 : 0;
  invalid_sequences += invalid;
}

void TextCounts::warn(std::size_t max_tokens) const {
  if (truncated != 0) {
    spdlog::warn("{} of {} cut to {} tokens (--truncate).", truncated, plural(texts, "text"), max_tokens);
  }
  if (repaired != 0) {
    spdlog::warn("{} of {} had invalid UTF-8: {} replaced by U+FFFD.", repaired, plural(texts, "text"),
                 plural(invalid_sequences, "sequence"));
  }
}

}  // namespace gemvec::cli
