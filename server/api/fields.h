// The fields of a JSON object, read one by one: the first that is wrong decides the message, and those that
// nobody asked for can be counted.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/json_body.h"
#include "server/api/json_position.h"
#include "server/observe/metrics.h"

namespace gemvec::server {

class Fields {
 public:
  // A body that is not an object is an error at once. `type` is what messages call it: "struct EmbedRequest".
  Fields(const JsonBody& body, std::string_view type);
  // An object inside the body, under `name`; its problems are those of `outer`. null and absent read as an
  // empty one if `optional`.
  Fields(Fields& outer, std::string_view name, bool optional);
  // One element of a list of the body; its messages have the position of the whole list.
  Fields(const JsonBody& body, const boost::json::value& element, std::string_view list);

  // Null if it is absent.
  const boost::json::value* find(std::string_view name);
  // Null, and a problem, if it is absent.
  const boost::json::value* require(std::string_view name);
  // Null also if it is null, as serde reads an Option.
  const boost::json::value* find_optional(std::string_view name);

  // With a default, null is a problem; an optional may be null.
  bool boolean(std::string_view name, bool otherwise);
  std::optional<bool> optional_boolean(std::string_view name);
  std::optional<std::string_view> optional_string(std::string_view name);
  std::optional<std::uint64_t> optional_size(std::string_view name);
  std::optional<std::int64_t> optional_integer(std::string_view name);
  // "" and a problem if it is absent or no string.
  std::string_view string(std::string_view name);
  std::vector<std::string> strings(std::string_view name);
  // One of a few words; `otherwise` if it is absent. Null is a problem.
  std::string_view word(std::string_view name, std::string_view otherwise,
                        const std::vector<std::string_view>& words);

  // Names that are allowed and mean nothing here.
  void accept(std::initializer_list<std::string_view> names);

  // `what` went wrong with that field, unless something else has already.
  void fail(std::string_view name, std::string_view what);
  [[nodiscard]] bool ok() const { return outer_ != nullptr ? outer_->ok() : !problem_; }
  // "inputs: invalid type: ... at line 1 column 9"
  [[nodiscard]] const std::string& problem() const { return *problem_; }
  // The problem as text-embeddings-inference's framework answers it. REQUIRES: !ok()
  [[nodiscard]] Rejection rejection() const;

  // Tells the metrics which fields nobody asked for.
  void count_ignored(Metrics& metrics, std::string_view route) const;

 private:
  void find_repeated(std::optional<JsonSpan> span);
  void wrong_type(std::string_view name, const boost::json::value& value, std::string_view expected);
  [[nodiscard]] std::optional<JsonSpan> span_of(std::string_view name) const;
  void set_problem(std::string_view path, std::string_view what, std::size_t offset);

  const JsonBody* body_;
  const boost::json::object* object_ = nullptr;
  Fields* outer_ = nullptr;
  std::string name_;  // within outer_, or the list that this is an element of
  std::vector<std::string_view> known_;
  std::vector<std::pair<std::string, std::size_t>>
      repeated_;  // keys, and where the second of each is noticed
  std::optional<std::string> problem_;
};

}  // namespace gemvec::server
