#include "server/api/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/string.hpp>
#include <unordered_map>

#include "server/api/json_position.h"

namespace gemvec::server {

namespace {

// "`a` or `b`", "one of `a`, `b`, `c`"
std::string choices(const std::vector<std::string_view>& words) {
  if (words.size() == 2) return fmt::format("`{}` or `{}`", words[0], words[1]);
  std::string out = "one of ";
  for (std::size_t i = 0; i < words.size(); ++i) out += fmt::format("{}`{}`", i == 0 ? "" : ", ", words[i]);
  return out;
}

}  // namespace

Fields::Fields(const JsonBody& body, std::string_view type) : body_(&body) {
  object_ = body.value().if_object();
  if (object_ != nullptr) {
    find_repeated(JsonSpan{0, body.text().size()});
    return;
  }
  // serde leaves a list unread, and has read anything else.
  const std::size_t at = body.value().is_array() ? 0 : end_of_value(body.text());
  problem_ = fmt::format("invalid type: {}, expected {}{}", describe(body.value()), type,
                         at_position(body.text(), at));
}

Fields::Fields(Fields& outer, std::string_view name, bool optional)
    : body_(outer.body_), outer_(&outer), name_(name) {
  const boost::json::value* value = optional ? outer.find_optional(name) : outer.require(name);
  if (value == nullptr) return;
  object_ = value->if_object();
  if (object_ == nullptr) {
    outer.wrong_type(name, *value, "a map");
  } else {
    find_repeated(outer.span_of(name));
  }
}

Fields::Fields(const JsonBody& body, const boost::json::value& element, std::string_view list)
    : body_(&body), object_(element.if_object()), name_(list) {
  if (object_ == nullptr)
    set_problem(list, fmt::format("invalid type: {}, expected a map", describe(element)),
                end_of_value(body.text()));
}

const boost::json::value* Fields::find(std::string_view name) {
  known_.push_back(name);
  const auto twice = std::find_if(repeated_.begin(), repeated_.end(),
                                  [&](const auto& repeated) { return repeated.first == name; });
  if (twice != repeated_.end()) set_problem("", fmt::format("duplicate field `{}`", name), twice->second);
  return object_ == nullptr ? nullptr : object_->if_contains(name);
}

const boost::json::value* Fields::require(std::string_view name) {
  const boost::json::value* value = find(name);
  if (value != nullptr || object_ == nullptr) return value;
  const auto span = outer_ == nullptr ? std::nullopt : outer_->span_of(name_);
  set_problem("", fmt::format("missing field `{}`", name), span ? span->end : end_of_value(body_->text()));
  return nullptr;
}

const boost::json::value* Fields::find_optional(std::string_view name) {
  const boost::json::value* value = find(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool Fields::boolean(std::string_view name, bool otherwise) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return otherwise;
  if (value->is_bool()) return value->get_bool();
  wrong_type(name, *value, "a boolean");
  return otherwise;
}

std::optional<bool> Fields::optional_boolean(std::string_view name) {
  const boost::json::value* value = find_optional(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_bool()) return value->get_bool();
  wrong_type(name, *value, "a boolean");
  return std::nullopt;
}

std::optional<std::string_view> Fields::optional_string(std::string_view name) {
  const boost::json::value* value = find_optional(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return std::string_view(value->get_string());
  wrong_type(name, *value, "a string");
  return std::nullopt;
}

std::optional<std::uint64_t> Fields::optional_size(std::string_view name) {
  const boost::json::value* value = find_optional(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_uint64()) return value->get_uint64();
  if (value->is_int64() && value->get_int64() >= 0) return static_cast<std::uint64_t>(value->get_int64());
  if (value->is_int64()) {
    fail(name, fmt::format("invalid value: {}, expected usize", describe(*value)));
  } else {
    wrong_type(name, *value, "usize");
  }
  return std::nullopt;
}

std::optional<std::int64_t> Fields::optional_integer(std::string_view name) {
  const boost::json::value* value = find_optional(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_int64()) return value->get_int64();
  wrong_type(name, *value, "i64");
  return std::nullopt;
}

std::string_view Fields::string(std::string_view name) {
  const boost::json::value* value = require(name);
  if (value == nullptr) return {};
  if (value->is_string()) return value->get_string();
  wrong_type(name, *value, "a string");
  return {};
}

std::vector<std::string> Fields::strings(std::string_view name) {
  const boost::json::value* value = require(name);
  if (value == nullptr) return {};
  std::vector<std::string> out;
  if (!value->is_array()) {
    wrong_type(name, *value, "a sequence");
    return out;
  }
  out.reserve(value->get_array().size());
  for (const boost::json::value& element : value->get_array()) {
    if (!element.is_string()) {
      wrong_type(name, element, "a string");
      break;
    }
    out.emplace_back(std::string_view(element.get_string()));
  }
  return out;
}

std::string_view Fields::word(std::string_view name, std::string_view otherwise,
                              const std::vector<std::string_view>& words) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) {
    wrong_type(name, *value, "string or map");
    return otherwise;
  }
  const std::string_view given = value->get_string();
  const auto known = std::find(words.begin(), words.end(), given);
  if (known != words.end()) return *known;
  fail(name, fmt::format("unknown variant `{}`, expected {}", given, choices(words)));
  return otherwise;
}

void Fields::accept(std::initializer_list<std::string_view> names) { known_.insert(known_.end(), names); }

void Fields::fail(std::string_view name, std::string_view what) {
  const auto span = span_of(name);
  std::size_t end = span ? span->end : end_of_value(body_->text());
  // What serde reads after the value belongs to it: the brace that closes the object, but not a comma.
  if (span && what.starts_with("data did not match")) {
    const std::size_t next = body_->text().find_first_not_of(" \t\r\n", end);
    if (next != std::string_view::npos) end = body_->text()[next] == '}' ? next + 1 : next;
  }
  set_problem(name, what, end);
}

Rejection Fields::rejection() const {
  return {422, "Failed to deserialize the JSON body into the target type: " + *problem_};
}

void Fields::count_ignored(Metrics& metrics, std::string_view route) const {
  if (object_ == nullptr) return;
  for (const auto& field : *object_) {
    if (std::find(known_.begin(), known_.end(), std::string_view(field.key())) == known_.end())
      metrics.ignored_field(route, field.key());
  }
}

// The parser keeps one value a key, so what comes twice is found in the text.
void Fields::find_repeated(std::optional<JsonSpan> span) {
  if (!body_->refuses_repeated() || !span) return;
  std::size_t count = 0;
  for (JsonMembers members(body_->text(), *span); members.next();) ++count;
  if (count == object_->size()) return;
  std::unordered_map<std::string, std::size_t> seen;
  JsonMembers members(body_->text(), *span);
  while (const auto member = members.next()) {
    std::string key(member->key);
    if (key.find('\\') != std::string::npos) {
      const auto spelled = boost::json::parse('"' + key + '"');
      key = std::string_view(spelled.get_string());
    }
    if (++seen[key] == 2) repeated_.emplace_back(key, skip_space(body_->text(), member->key_end));
  }
}

void Fields::wrong_type(std::string_view name, const boost::json::value& value, std::string_view expected) {
  const auto span = span_of(name);
  std::size_t at = span ? span->end : end_of_value(body_->text());
  // serde sees what a list or an object is by its first byte, which it leaves unread.
  if (span && value.is_structured()) at = span->begin;
  set_problem(name, fmt::format("invalid type: {}, expected {}", describe(value), expected), at);
}

std::optional<JsonSpan> Fields::span_of(std::string_view name) const {
  if (outer_ != nullptr) return find_value(body_->text(), {name_, name});
  return name_.empty() ? find_value(body_->text(), {name}) : find_value(body_->text(), {name_});
}

void Fields::set_problem(std::string_view path, std::string_view what, std::size_t offset) {
  std::string full = path.empty() ? std::string(what) : fmt::format("{}: {}", path, what);
  if (outer_ != nullptr) full = fmt::format("{}{}{}", name_, path.empty() ? ": " : ".", full);
  full += at_position(body_->text(), offset);
  std::optional<std::string>& slot = outer_ != nullptr ? outer_->problem_ : problem_;
  if (!slot) slot = std::move(full);
}

}  // namespace gemvec::server
