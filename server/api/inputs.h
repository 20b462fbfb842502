// What a request wants embedded, in the forms that its API allows.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "server/api/fields.h"
#include "server/service.h"

namespace gemvec::server {

struct InputList {
  std::vector<Input> inputs;
  bool batch = false;  // a list of inputs, not a single one
};

// Jina's clients wrap texts, {"text": "..."}, which text-embeddings-inference refuses.
enum class Wrapped { kRefuse, kAccept };

// A string, a list of ids, or a list of both. Ids are unsigned 32-bit numbers; what the model has no place
// for is kept as an id outside its table. An empty list is a single input without ids, as serde reads it.
std::optional<InputList> read_inputs(const boost::json::value& value, Wrapped wrapped = Wrapped::kRefuse);

// The field `name`, which must be there. A problem, and an empty list, if it has none of these forms.
InputList require_inputs(Fields& fields, std::string_view name, Wrapped wrapped = Wrapped::kRefuse);

// A list of ids; nothing if it is anything else.
std::optional<std::vector<std::int32_t>> read_ids(const boost::json::value& value);

}  // namespace gemvec::server
