#include "base/json.h"

#include <boost/json/stream_parser.hpp>

#include "base/file.h"
#include "base/try.h"

namespace gemvec::base {

Result<boost::json::value> parse_json(std::string_view text, std::string_view name) {
  // 64 levels: no file of a model nests deeper than 6, and a hostile one must not exhaust the stack.
  boost::json::parse_options options;
  options.max_depth = 64;
  boost::json::stream_parser parser({}, options);
  boost::system::error_code code;
  std::size_t at = parser.write(text.data(), text.size(), code);
  if (!code) {
    parser.finish(code);
    at = text.size();
  }
  if (code) {
    return Error{ErrorCode::kBadFormat, std::string(name) + ": not valid JSON at byte " + std::to_string(at) +
                                            ": " + code.message() + "."};
  }
  return parser.release();
}

Result<boost::json::value> read_json(const std::filesystem::path& path, std::uint64_t max_bytes) {
  GEMVEC_TRY(text, read_file(path, max_bytes));
  return parse_json(text, path.string());
}

}  // namespace gemvec::base
