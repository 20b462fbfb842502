// JSON Lines: one JSON string, array of ids, or object a line.
#include "cli/io/jsonl_reader.h"

#include <fmt/format.h>

#include <boost/json/kind.hpp>
#include <boost/json/parser.hpp>
#include <boost/json/serialize.hpp>
#include <limits>
#include <string_view>
#include <utility>

namespace gemvec::cli {

namespace json = boost::json;

namespace {

// Deeper nesting than any record needs, and no danger to the stack.
constexpr std::size_t kMaxDepth = 32;

constexpr std::string_view kBlank = " \t\r\n";

std::string_view name_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_:
      return "a number";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
  }
  return "an unknown value";
}

Result<json::value> parse_line(std::string_view line, const std::string& where) {
  json::parse_options options;
  options.max_depth = kMaxDepth;
  // Broken UTF-8 is no error here: the tokenizer replaces and counts it, as it does in other formats.
  options.allow_invalid_utf8 = true;
  json::parser parser({}, options);
  json::error_code error;
  const std::size_t parsed = parser.write(line.data(), line.size(), error);
  if (error) {
    return Error{ErrorCode::kBadFormat,
                 fmt::format("{}: not valid JSON near byte {}: {}.", where, parsed, error.message())};
  }
  return parser.release();
}

}  // namespace

JsonlReader::JsonlReader(LineReader lines, ReaderOptions options)
    : lines_(std::move(lines)), options_(std::move(options)) {}

Error JsonlReader::wrong(std::string_view expected, const json::value& found) const {
  return {ErrorCode::kBadFormat,
          fmt::format("{}: expected {}, found {}.", lines_.where(), expected, name_of(found))};
}

Status JsonlReader::fill_content(const json::value& content, TextRecord& record) const {
  if (!options_.ids) {
    if (!content.is_string()) return wrong(fmt::format("a string in \"{}\"", options_.field), content);
    record.text = content.get_string();
    return {};
  }
  const std::string expected = fmt::format("an array of token ids in \"{}\"", options_.field);
  if (!content.is_array()) return wrong(expected, content);
  for (const json::value& element : content.get_array()) {
    const auto* id = element.if_int64();
    if (id == nullptr || *id < 0 || *id > std::numeric_limits<std::int32_t>::max()) {
      return Error{ErrorCode::kBadFormat, fmt::format("{}: expected {}, found {} in it.", lines_.where(),
                                                      expected, json::serialize(element))};
    }
    record.ids.push_back(static_cast<std::int32_t>(*id));
  }
  return {};
}

Status JsonlReader::fill_object(const json::object& object, TextRecord& record) const {
  const json::value* content = object.if_contains(options_.field);
  if (content == nullptr) {
    return Error{ErrorCode::kBadFormat, fmt::format("{}: the object has no member \"{}\" (--field).",
                                                    lines_.where(), options_.field)};
  }
  if (auto status = fill_content(*content, record); !status.ok()) return status;
  if (const json::value* id = object.if_contains(options_.id_field); id != nullptr && !id->is_null()) {
    record.id = id->is_string() ? RecordId{std::string(id->get_string()), true}
                                : RecordId{json::serialize(*id), false};
  }
  if (options_.title_field.empty()) return {};
  if (const json::value* title = object.if_contains(options_.title_field);
      title != nullptr && !title->is_null()) {
    if (!title->is_string()) return wrong(fmt::format("a string in \"{}\"", options_.title_field), *title);
    if (!title->get_string().empty()) record.title = title->get_string();
  }
  return {};
}

Result<bool> JsonlReader::next(TextRecord& record) {
  std::string_view line;
  do {
    auto more = lines_.next(line);
    if (!more.ok() || !*more) return more;
  } while (line.find_first_not_of(kBlank) == std::string_view::npos);
  record.where = lines_.where();
  auto value = parse_line(line, record.where);
  if (!value.ok()) return std::move(value).error();
  auto status = value->is_object() ? fill_object(value->get_object(), record) : fill_content(*value, record);
  if (!status.ok()) return std::move(status).error();
  return true;
}

}  // namespace gemvec::cli
