#include "source/json_fields.h"

#include <boost/json/serialize.hpp>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "base/quote.h"
#include "base/try.h"

namespace gemvec::source {

namespace {

// config.json and its neighbours have one or two kilobytes; a longer one is not one of them.
constexpr std::uint64_t kMaxFileBytes = 1 << 20;

std::string describe(const boost::json::value& value) {
  if (value.is_string()) return base::quote(value.get_string());
  if (value.is_array()) return "an array";
  if (value.is_object()) return "an object";
  return boost::json::serialize(value);
}

}  // namespace

JsonFields::JsonFields(boost::json::object object, std::string file, std::string path)
    : object_(std::move(object)), file_(std::move(file)), path_(std::move(path)) {}

Result<JsonFields> JsonFields::parse(std::string_view json, std::string_view file) {
  GEMVEC_TRY(value, base::parse_json(json, file));
  if (!value.is_object())
    return Error{ErrorCode::kBadFormat,
                 std::string(file) + ": expected a JSON object, found " + describe(value) + "."};
  return JsonFields(std::move(value.get_object()), std::string(file), "");
}

Result<JsonFields> JsonFields::read(const std::filesystem::path& path) {
  GEMVEC_TRY(text, base::read_file(path, kMaxFileBytes));
  return parse(text, path.string());
}

const boost::json::value* JsonFields::find(std::string_view name) const {
  const boost::json::value* value = object_.if_contains({name.data(), name.size()});
  return value == nullptr || value->is_null() ? nullptr : value;
}

Result<std::uint64_t> JsonFields::whole_number(std::string_view name, std::uint64_t min,
                                               std::uint64_t max) const {
  const boost::json::value* value = find(name);
  if (value != nullptr) {
    boost::system::error_code inexact;
    const auto number = value->to_number<std::uint64_t>(inexact);
    if (!inexact && number >= min && number <= max) return number;
  }
  return expected(name, "a whole number from " + std::to_string(min) + " to " + std::to_string(max));
}

Result<double> JsonFields::number(std::string_view name, double min, double max) const {
  const boost::json::value* value = find(name);
  if (value != nullptr && value->is_number()) {
    const auto number = value->to_number<double>();
    if (number > min && number <= max) return number;
  }
  return expected(name, "a number above " + boost::json::serialize(boost::json::value(min)) + " and up to " +
                            boost::json::serialize(boost::json::value(max)));
}

Result<std::string> JsonFields::text(std::string_view name) const {
  const boost::json::value* value = find(name);
  if (value == nullptr || !value->is_string()) return expected(name, "a string");
  return std::string(value->get_string());
}

Result<JsonFields> JsonFields::object(std::string_view name) const {
  const boost::json::value* value = find(name);
  if (value == nullptr || !value->is_object()) return expected(name, "an object");
  return JsonFields(value->get_object(), file_, path_ + std::string(name) + ".");
}

Status JsonFields::absent_or_false(std::string_view name) const {
  const boost::json::value* value = find(name);
  if (value == nullptr || (value->is_bool() && !value->get_bool())) return {};
  return expected(name, "null or false", ErrorCode::kUnsupported);
}

Error JsonFields::expected(std::string_view name, std::string_view what, ErrorCode code) const {
  const boost::json::value* value = object_.if_contains({name.data(), name.size()});
  return {code, file_ + ": " + path_ + std::string(name) + ": expected " + std::string(what) + ", found " +
                    (value == nullptr ? "nothing" : describe(*value)) + "."};
}

}  // namespace gemvec::source
