// The fields of a JSON object, read one by one, with messages that say which file, which field, what was
// expected and what was found.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "gemvec/result.h"

namespace gemvec::source {

class JsonFields {
 public:
  // The file must hold one object. Errors: kNotFound, kIo, kBadFormat.
  static Result<JsonFields> read(const std::filesystem::path& path);
  // The same from memory. `file` stands for the file in messages.
  static Result<JsonFields> parse(std::string_view json, std::string_view file);
  // An object inside a file; `path` ("rope_parameters.") goes before its fields' names in messages.
  JsonFields(boost::json::object object, std::string file, std::string path);

  // nullptr if the field is absent or null: Python's None is written either way.
  [[nodiscard]] const boost::json::value* find(std::string_view name) const;

  // Each of these needs the field. Errors: kBadFormat.
  [[nodiscard]] Result<std::uint64_t> whole_number(std::string_view name, std::uint64_t min,
                                                   std::uint64_t max) const;
  // In (min, max].
  [[nodiscard]] Result<double> number(std::string_view name, double min, double max) const;
  [[nodiscard]] Result<std::string> text(std::string_view name) const;
  [[nodiscard]] Result<JsonFields> object(std::string_view name) const;

  // kUnsupported unless the field is absent, null or false.
  [[nodiscard]] Status absent_or_false(std::string_view name) const;

  // "FILE: NAME: expected WHAT, found VALUE."
  [[nodiscard]] Error expected(std::string_view name, std::string_view what,
                               ErrorCode code = ErrorCode::kBadFormat) const;

  [[nodiscard]] const boost::json::object& raw() const { return object_; }

 private:
  boost::json::object object_;
  std::string file_;
  std::string path_;
};

}  // namespace gemvec::source
