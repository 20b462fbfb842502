// Any bytes as CSV: records or an error, and any field that libcsv writes reads back as it was.
#include <csv.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "cli/io/reader_fuzz.h"

namespace {

using gemvec::cli::drain;
using gemvec::cli::ReaderOptions;

ReaderOptions options_of(bool ids) {
  ReaderOptions options;
  options.format = gemvec::cli::InputFormat::kCsv;
  options.title_field = "title";
  options.ids = ids;
  options.max_record_bytes = 1024;
  return options;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  drain(bytes, options_of(false));
  drain("text\n" + std::string(bytes), options_of(false));
  drain("id,text,title\n" + std::string(bytes), options_of(true));
  const std::string_view field = bytes.substr(0, 64);
  std::string csv(2 * field.size() + 2, '\0');
  csv.resize(csv_write(csv.data(), csv.size(), field.data(), field.size()));
  std::string text;
  if (drain("text\n" + csv + "\n", options_of(false), &text) != 1 || text != field) std::abort();
  return 0;
}
