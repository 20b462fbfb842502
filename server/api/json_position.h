// Where things lie in JSON text, for messages that say line and column as serde does.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace gemvec::server {

// Half-open range of bytes.
struct JsonSpan {
  std::size_t begin = 0, end = 0;
};

// The value under a path of keys. `json` must be valid JSON; nothing is found behind a key that is written
// with escapes.
std::optional<JsonSpan> find_value(std::string_view json, std::initializer_list<std::string_view> path);

// Where serde notices that the object which lies at `object` lacks something: behind its closing brace.
std::size_t end_of_value(std::string_view json);

// " at line 1 column 15": lines from 1; columns are bytes since the line's beginning.
std::string at_position(std::string_view json, std::size_t offset);

}  // namespace gemvec::server
