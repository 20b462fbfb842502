// Any bytes as JSON Lines: records or an error, and what we write as JSON reads back as it was.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "cli/io/json_text.h"
#include "cli/io/text_reader.h"

namespace {

using gemvec::cli::LineReader;
using gemvec::cli::ReaderOptions;
using gemvec::cli::StringStream;
using gemvec::cli::TextRecord;

ReaderOptions options_of(bool ids) {
  ReaderOptions options;
  options.format = gemvec::cli::InputFormat::kJsonl;
  options.field = ids ? "ids" : "text";
  options.title_field = "title";
  options.ids = ids;
  options.max_record_bytes = 1024;
  return options;
}

// Number of records before the end or the first error.
std::size_t drain(std::string_view bytes, bool ids, std::string* last_text) {
  const ReaderOptions options = options_of(ids);
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  drain(bytes, false, nullptr);
  drain(bytes, true, nullptr);
  std::string json;
  gemvec::cli::append_string(json, bytes.substr(0, 64));
  std::string text;
  if (drain(json, false, &text) != 1) std::abort();
  std::string again;
  gemvec::cli::append_string(again, text);
  if (again != json) std::abort();
  return 0;
}
