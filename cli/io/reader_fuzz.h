// What the fuzzers of the readers share.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "cli/io/text_reader.h"

namespace gemvec::cli {

// Reads `bytes` to the end or the first error, and returns the number of records before it. Every record must
// say where it stands. last_text, if given, receives the last record's text.
inline std::size_t drain(std::string_view bytes, const ReaderOptions& options,
                         std::string* last_text = nullptr) {
  auto source = make_record_source(
      LineReader(std::make_unique<StringStream>(bytes), "fuzz", options.max_record_bytes), options);
  for (std::size_t count = 0;; ++count) {
    TextRecord record;
    auto more = source->next(record);
    if (!more.ok() || !*more) return count;
    if (record.where.empty()) std::abort();
    if (last_text != nullptr) *last_text = record.text;
  }
}

}  // namespace gemvec::cli
