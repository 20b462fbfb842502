// Any bytes as CSV: records or an error, and any field that libcsv writes reads back as it was.
#include <csv.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "cli/io/text_reader.h"

namespace {

using gemvec::cli::LineReader;
using gemvec::cli::ReaderOptions;
using gemvec::cli::StringStream;
using gemvec::cli::TextRecord;

std::size_t drain(std::string_view bytes, bool ids, std::string* last_text) {
  ReaderOptions options;
  options.format = gemvec::cli::InputFormat::kCsv;
  options.title_field = "title";
  options.ids = ids;
  options.max_record_bytes = 1024;
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
  drain("text\n" + std::string(bytes), false, nullptr);
  drain("id,text,title\n" + std::string(bytes), true, nullptr);
  const std::string_view field = bytes.substr(0, 64);
  std::string csv(2 * field.size() + 2, '\0');
  csv.resize(csv_write(csv.data(), csv.size(), field.data(), field.size()));
  std::string text;
  if (drain("text\n" + csv + "\n", false, &text) != 1 || text != field) std::abort();
  return 0;
}
