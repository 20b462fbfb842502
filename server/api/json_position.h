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

// A member of an object: its key as it is written, between the quotes, and its value.
struct JsonMember {
  std::string_view key;
  std::size_t key_end = 0;  // behind the closing quote
  JsonSpan value;
};

// The members of an object in valid JSON text, one after the other; none if there is no object.
class JsonMembers {
 public:
  JsonMembers(std::string_view json, JsonSpan object);
  std::optional<JsonMember> next();

 private:
  std::string_view json_;
  std::size_t at_, end_;
};

// The value under a path of keys. `json` must be valid JSON; nothing is found behind a key that is written
// with escapes.
std::optional<JsonSpan> find_value(std::string_view json, std::initializer_list<std::string_view> path);

// Behind white space.
std::size_t skip_space(std::string_view json, std::size_t at);

// Where serde notices that the object which lies at `object` lacks something: behind its closing brace.
std::size_t end_of_value(std::string_view json);

// " at line 1 column 15": lines from 1; columns are bytes since the line's beginning.
std::string at_position(std::string_view json, std::size_t offset);

}  // namespace gemvec::server
