#include "convert/json_text.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cstddef>

namespace gemvec::convert {

namespace {

// The depth is bounded by the parser that made the value, or by our own code.
void append(std::string& out, const boost::json::value& value, std::size_t level) {
  const std::string line = "\n" + std::string(2 * level + 2, ' ');
  const std::string last = "\n" + std::string(2 * level, ' ');
  if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
    const char* separator = "{";
    for (const auto& field : *object) {
      out += separator + line + boost::json::serialize(field.key()) + ": ";
      append(out, field.value(), level + 1);
      separator = ",";
    }
    out += last + "}";
    return;
  }
  const auto* array = value.if_array();
  const auto is_tree = [](const boost::json::value& item) { return item.is_structured(); };
  if (array != nullptr && std::any_of(array->begin(), array->end(), is_tree)) {
    const char* separator = "[";
    for (const boost::json::value& item : *array) {
      out += separator + line;
      append(out, item, level + 1);
      separator = ",";
    }
    out += last + "]";
    return;
  }
  out += boost::json::serialize(value);
}

}  // namespace

std::string indented(const boost::json::value& value) {
  std::string out;
  append(out, value, 0);
  return out + "\n";
}

}  // namespace gemvec::convert
