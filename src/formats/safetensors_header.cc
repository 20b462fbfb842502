#include "formats/safetensors_header.h"

#include <boost/json/basic_parser_impl.hpp>
#include <cstddef>
#include <unordered_set>
#include <utility>

#include "base/quote.h"

namespace gemvec::formats {

namespace {

using boost::json::string_view;
using boost::system::error_code;

// The release has 314 tensors; sharded models of a hundred billion parameters have a few thousand.
constexpr std::size_t kMaxTensors = 65536;
constexpr std::size_t kMaxNameBytes = 1024;
constexpr std::size_t kMaxRank = 8;

// Boost.JSON's events, one by one. A tree of values would forgive a name or a field that comes twice,
// which the format forbids, and would cost many times the header's size in memory.
class HeaderHandler {
 public:
  static constexpr std::size_t max_array_size = kMaxRank;
  static constexpr std::size_t max_object_size = kMaxTensors + 1;  // and __metadata__
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = kMaxNameBytes;

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }

  bool on_object_begin(error_code& ec) {
    if (place_ == Place::kStart) return enter(Place::kTop);
    if (place_ != Place::kTop) return unexpected("an object", ec);
    if (key_ == "__metadata__") return enter(Place::kMetadata);
    seen_dtype_ = seen_shape_ = seen_offsets_ = false;
    entries_.push_back({.name = key_, .dtype = {}, .shape = {}});
    return enter(Place::kTensor);
  }

  bool on_object_end(std::size_t, error_code& ec) {
    if (place_ == Place::kTop) return enter(Place::kEnd);
    if (place_ == Place::kTensor) {
      if (!seen_dtype_) return fail(tensor() + ": the field dtype is missing", ec);
      if (!seen_shape_) return fail(tensor() + ": the field shape is missing", ec);
      if (!seen_offsets_) return fail(tensor() + ": the field data_offsets is missing", ec);
    }
    return enter(Place::kTop);
  }

  bool on_array_begin(error_code& ec) {
    if (place_ != Place::kTensor || key_ == "dtype") return unexpected("an array", ec);
    return enter(key_ == "shape" ? Place::kShape : Place::kOffsets);
  }

  bool on_array_end(std::size_t n, error_code& ec) {
    if (place_ == Place::kOffsets && n != 2)
      return fail(tensor() + ": data_offsets: expected two numbers, found " + std::to_string(n), ec);
    return enter(Place::kTensor);
  }

  bool on_key_part(string_view part, std::size_t, error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }

  bool on_key(string_view part, std::size_t, error_code& ec) {
    text_.append(part.data(), part.size());
    key_ = std::exchange(text_, {});
    if (place_ == Place::kTop && !names_.insert(key_).second)
      return fail("the name " + base::quote(key_) + " comes twice", ec);
    return place_ != Place::kTensor || on_field(ec);
  }

  bool on_string_part(string_view part, std::size_t, error_code&) {
    // Only a dtype is looked at. What is cut off here is longer than any of them.
    if (place_ == Place::kTensor && text_.size() < kMaxNameBytes) text_.append(part.data(), part.size());
    return true;
  }

  bool on_string(string_view part, std::size_t, error_code& ec) {
    if (place_ == Place::kMetadata) return true;
    if (place_ != Place::kTensor || key_ != "dtype") return unexpected("a string", ec);
    text_.append(part.data(), part.size());
    entries_.back().dtype = std::exchange(text_, {});
    return true;
  }

  bool on_number_part(string_view, error_code&) { return true; }
  bool on_uint64(std::uint64_t value, string_view, error_code& ec) { return on_integer(value, ec); }
  bool on_int64(std::int64_t value, string_view, error_code& ec) {
    if (value < 0) return unexpected("a negative number", ec);
    return on_integer(static_cast<std::uint64_t>(value), ec);
  }
  bool on_double(double, string_view, error_code& ec) {
    return unexpected("a number that is no 64-bit integer", ec);
  }
  bool on_bool(bool, error_code& ec) { return unexpected("a boolean", ec); }
  bool on_null(error_code& ec) { return unexpected("null", ec); }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }

  // What is wrong with the header's meaning; empty if Boost.JSON's own code says it.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] std::vector<HeaderEntry> take_entries() { return std::move(entries_); }

 private:
  enum class Place { kStart, kTop, kMetadata, kTensor, kShape, kOffsets, kEnd };

  bool enter(Place place) {
    place_ = place;
    return true;
  }

  [[nodiscard]] std::string tensor() const { return "tensor " + base::quote(entries_.back().name); }

  bool fail(std::string problem, error_code& ec) {
    problem_ = std::move(problem);
    ec = boost::json::error::exception;
    return false;
  }

  bool unexpected(std::string_view found, error_code& ec) {
    const std::string end = ", found " + std::string(found);
    switch (place_) {
      case Place::kStart:
      case Place::kEnd:
        return fail("expected an object of tensors" + end, ec);
      case Place::kTop:
        return fail("the entry " + base::quote(key_) + ": expected an object" + end, ec);
      case Place::kMetadata:
        return fail("__metadata__: the field " + base::quote(key_) + ": expected a string" + end, ec);
      default:
        break;
    }
    const char* expected = key_ == "dtype" ? "a string" : "an array of whole numbers";
    return fail(tensor() + ": " + key_ + ": expected " + expected + end, ec);
  }

  bool on_field(error_code& ec) {
    bool* seen = key_ == "dtype"          ? &seen_dtype_
                 : key_ == "shape"        ? &seen_shape_
                 : key_ == "data_offsets" ? &seen_offsets_
                                          : nullptr;
    if (seen == nullptr)
      return fail(
          tensor() + ": expected the fields dtype, shape and data_offsets, found " + base::quote(key_), ec);
    if (std::exchange(*seen, true)) return fail(tensor() + ": the field " + key_ + " comes twice", ec);
    return true;
  }

  bool on_integer(std::uint64_t value, error_code& ec) {
    if (place_ == Place::kShape) {
      entries_.back().shape.push_back(value);
      return true;
    }
    if (place_ != Place::kOffsets) return unexpected("a number", ec);
    entries_.back().begin = std::exchange(entries_.back().end, value);
    return true;
  }

  Place place_ = Place::kStart;
  bool seen_dtype_ = false, seen_shape_ = false, seen_offsets_ = false;
  std::string key_;   // the last whole key
  std::string text_;  // the parts of the key or string that is being read
  std::unordered_set<std::string> names_;
  std::vector<HeaderEntry> entries_;
  std::string problem_;
};

}  // namespace

Result<std::vector<HeaderEntry>> parse_safetensors_header(std::string_view json, std::string_view file) {
  const auto bad = [&](const std::string& problem) {
    return Error{ErrorCode::kBadFormat, std::string(file) + ": the header: " + problem + "."};
  };
  if (!json.starts_with('{')) return bad("expected JSON that begins with \"{\"");
  boost::json::parse_options options;
  options.max_depth = 8;  // the format nests three deep
  boost::json::basic_parser<HeaderHandler> parser(options);
  error_code ec;
  const std::size_t consumed = parser.write_some(false, json.data(), json.size(), ec);
  if (!parser.handler().problem().empty()) return bad(parser.handler().problem());
  if (ec) return bad("not valid JSON at byte " + std::to_string(consumed) + ": " + ec.message());
  if (consumed != json.size()) return bad("expected nothing after the JSON but spaces");
  return parser.handler().take_entries();
}

}  // namespace gemvec::formats
