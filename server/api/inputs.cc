#include "server/api/inputs.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <limits>

namespace gemvec::server {

namespace {

std::optional<std::int32_t> read_id(const boost::json::value& value) {
  std::uint64_t id = 0;
  if (value.is_uint64()) {
    id = value.get_uint64();
  } else if (value.is_int64() && value.get_int64() >= 0) {
    id = static_cast<std::uint64_t>(value.get_int64());
  } else {
    return std::nullopt;
  }
  if (id > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  constexpr std::uint64_t kLargest = std::numeric_limits<std::int32_t>::max();
  return static_cast<std::int32_t>(std::min(id, kLargest));
}

std::optional<Input> read_input(const boost::json::value& value, Wrapped wrapped) {
  if (value.is_string()) return Input(std::string(std::string_view(value.get_string())));
  if (auto ids = read_ids(value)) return Input(std::move(*ids));
  if (const auto* object = value.if_object(); object != nullptr && wrapped == Wrapped::kAccept) {
    const boost::json::value* text = object->if_contains("text");
    if (object->size() == 1 && text != nullptr && text->is_string())
      return Input(std::string(std::string_view(text->get_string())));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::vector<std::int32_t>> read_ids(const boost::json::value& value) {
  if (!value.is_array()) return std::nullopt;
  std::vector<std::int32_t> ids;
  ids.reserve(value.get_array().size());
  for (const boost::json::value& element : value.get_array()) {
    const auto id = read_id(element);
    if (!id) return std::nullopt;
    ids.push_back(*id);
  }
  return ids;
}

std::optional<InputList> read_inputs(const boost::json::value& value, Wrapped wrapped) {
  InputList list;
  if (auto single = read_input(value, wrapped)) {
    list.inputs.push_back(std::move(*single));
    return list;
  }
  if (!value.is_array()) return std::nullopt;
  list.batch = true;
  list.inputs.reserve(value.get_array().size());
  for (const boost::json::value& element : value.get_array()) {
    auto input = read_input(element, wrapped);
    if (!input) return std::nullopt;
    list.inputs.push_back(std::move(*input));
  }
  return list;
}

InputList require_inputs(Fields& fields, std::string_view name, Wrapped wrapped) {
  const boost::json::value* value = fields.require(name);
  if (value == nullptr) return {};
  if (auto list = read_inputs(*value, wrapped)) return std::move(*list);
  fields.fail(name, "data did not match any variant of untagged enum Input");
  return {};
}

}  // namespace gemvec::server
