// JSON files of a model folder as Boost.JSON values, with messages that name file and field.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "gemvec/result.h"

namespace gemvec::base {

// Errors: kBadFormat "NAME: not valid JSON at byte N: REASON".
Result<boost::json::value> parse_json(std::string_view text, std::string_view name);

// read_file + parse_json. Errors: also kNotFound, kIo.
Result<boost::json::value> read_json(const std::filesystem::path& path, std::uint64_t max_bytes);

}  // namespace gemvec::base
