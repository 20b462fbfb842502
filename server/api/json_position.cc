#include "server/api/json_position.h"

#include <fmt/format.h>

#include <algorithm>

namespace gemvec::server {

namespace {

constexpr std::string_view kSpace = " \t\r\n";

// REQUIRES: a quote at `at`. Gives what lies behind the closing one.
std::size_t skip_string(std::string_view json, std::size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) at += json[at] == '\\' ? 1 : 0;
  return std::min(at + 1, json.size());
}

std::size_t skip_value(std::string_view json, std::size_t at) {
  std::size_t depth = 0;
  while (at < json.size()) {
    const char c = json[at];
    if (c == '"') {
      at = skip_string(json, at);
    } else if (c == '[' || c == '{') {
      ++depth, ++at;
      continue;
    } else if (c == ']' || c == '}') {
      ++at;
      depth -= depth != 0 ? 1 : 0;
    } else if (depth != 0) {
      ++at;
      continue;
    } else {
      return std::min(json.find_first_of(" \t\r\n,]}", at), json.size());
    }
    if (depth == 0) return at;
  }
  return json.size();
}

// The last of that name wins, as in the parser.
std::optional<JsonSpan> find_member(std::string_view json, JsonSpan object, std::string_view key) {
  std::optional<JsonSpan> found;
  JsonMembers members(json, object);
  while (const auto member = members.next()) {
    if (member->key == key) found = member->value;
  }
  return found;
}

}  // namespace

JsonMembers::JsonMembers(std::string_view json, JsonSpan object)
    : json_(json), at_(skip_space(json, object.begin)), end_(std::min(object.end, json.size())) {
  at_ = at_ < end_ && json_[at_] == '{' ? skip_space(json_, at_ + 1) : end_;
}

std::optional<JsonMember> JsonMembers::next() {
  if (at_ >= end_ || json_[at_] != '"') return std::nullopt;
  JsonMember member;
  member.key_end = skip_string(json_, at_);
  member.key = json_.substr(at_ + 1, member.key_end - at_ - 2);
  member.value.begin = skip_space(json_, skip_space(json_, member.key_end) + 1);
  member.value.end = skip_value(json_, member.value.begin);
  at_ = skip_space(json_, member.value.end);
  if (at_ < end_ && json_[at_] == ',') at_ = skip_space(json_, at_ + 1);
  return member;
}

std::size_t skip_space(std::string_view json, std::size_t at) {
  return std::min(json.find_first_not_of(kSpace, at), json.size());
}

std::optional<JsonSpan> find_value(std::string_view json, std::initializer_list<std::string_view> path) {
  JsonSpan span{0, json.size()};
  for (const std::string_view key : path) {
    const auto member = find_member(json, span, key);
    if (!member) return std::nullopt;
    span = *member;
  }
  return span;
}

std::size_t end_of_value(std::string_view json) { return json.find_last_not_of(kSpace) + 1; }

std::string at_position(std::string_view json, std::size_t offset) {
  const std::string_view before = json.substr(0, offset);
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const std::size_t begin = before.rfind('\n');
  const std::size_t column = begin == std::string_view::npos ? before.size() : before.size() - begin - 1;
  return fmt::format(" at line {} column {}", lines + 1, column);
}

}  // namespace gemvec::server
