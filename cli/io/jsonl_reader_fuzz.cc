// Any bytes as JSON Lines: records or an error, and what we write as JSON reads back as it was.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "cli/io/json_text.h"
#include "cli/io/reader_fuzz.h"

namespace {

using gemvec::cli::drain;
using gemvec::cli::ReaderOptions;

ReaderOptions options_of(bool ids) {
  ReaderOptions options;
  options.format = gemvec::cli::InputFormat::kJsonl;
  options.field = ids ? "ids" : "text";
  options.title_field = "title";
  options.ids = ids;
  options.max_record_bytes = 1024;
  return options;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  drain(bytes, options_of(false));
  drain(bytes, options_of(true));
  std::string json;
  gemvec::cli::append_string(json, bytes.substr(0, 64));
  std::string text;
  if (drain(json, options_of(false), &text) != 1) std::abort();
  std::string again;
  gemvec::cli::append_string(again, text);
  if (again != json) std::abort();
  return 0;
}
