// Reads tokenizer.json in one pass without building a tree of it: the file is large, and most of it is
// two lists of short strings.
#include "tokenizer/json_reader.h"

#include <fmt/format.h>

#include <boost/json/basic_parser_impl.hpp>
#include <optional>
#include <utility>

#include "tokenizer/messages.h"

namespace gemvec::tokenizer {

namespace {

using boost::json::error_code;
using View = boost::json::string_view;

// The release's file nests 6 deep and has about 50 fields beside its lists. The limits bound the
// memory that a hostile file can make us use.
constexpr std::size_t kMaxDepth = 32, kMaxFields = 10'000, kMaxPathBytes = 1'000;

// Receives the parser's events. The names and signatures are Boost.JSON's.
class Handler {
 public:
  static constexpr std::size_t max_object_size = -1;
  static constexpr std::size_t max_array_size = -1;
  static constexpr std::size_t max_string_size = -1;
  static constexpr std::size_t max_key_size = -1;

  explicit Handler(std::string_view name) : name_(name) {}

  TokenizerJson result;
  std::optional<Error> error;  // why a handler stopped the parser

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_number_part(View, error_code&) { return true; }
  bool on_comment_part(View, error_code&) { return true; }
  bool on_comment(View, error_code&) { return true; }
  bool on_key_part(View part, std::size_t, error_code&) { return hold(part); }
  bool on_string_part(View part, std::size_t, error_code&) { return hold(part); }

  bool on_object_begin(error_code& code);
  bool on_object_end(std::size_t size, error_code& code);
  bool on_array_begin(error_code& code);
  bool on_array_end(std::size_t size, error_code& code);
  bool on_key(View last, std::size_t, error_code& code);
  bool on_string(View last, std::size_t, error_code& code);
  bool on_int64(std::int64_t value, View, error_code& code);
  bool on_uint64(std::uint64_t value, View, error_code& code) {
    return other_scalar(Scalar::Kind::kNumber, fmt::format("{}", value), code);
  }
  bool on_double(double value, View, error_code& code) {
    return other_scalar(Scalar::Kind::kNumber, fmt::format("{}", value), code);
  }
  bool on_bool(bool value, error_code& code);
  bool on_null(error_code& code) { return other_scalar(Scalar::Kind::kNull, "null", code); }

 private:
  enum class Section { kFields, kVocab, kMerges, kAdded };
  struct Container {
    std::size_t path_size = 0;  // of the container's own path
    bool is_array = false;
    std::size_t index = 0;  // of the next element
  };

  bool hold(View part) {
    held_.append(part.data(), part.size());
    return true;
  }
  // The whole string that ends with `last`. Valid until the next event.
  std::string_view whole(View last) {
    if (held_.empty()) return {last.data(), last.size()};
    hold(last);
    whole_ = std::exchange(held_, {});
    return whole_;
  }
  StringRange keep(std::string_view text) {
    const auto begin = static_cast<std::uint32_t>(result.strings.size());
    result.strings += text;
    return {begin, static_cast<std::uint32_t>(text.size())};
  }

  bool fail(error_code& code, std::string_view field, std::string_view expected) {
    error = bad_format(name_, field, expected);
    code = boost::json::make_error_code(boost::json::error::exception);
    return false;
  }
  bool fail_vocab(error_code& code) {
    return fail(code, "model.vocab", "must be an object that maps each piece to an integer id");
  }
  bool fail_merges(error_code& code) {
    return fail(code, fmt::format("model.merges[{}]", result.merges.size()),
                R"(must be two pieces, as ["a", "b"] or as "a b")");
  }
  bool fail_added(error_code& code, std::string_view key, std::string_view expected) {
    const std::size_t at = in_entry_ ? result.added.size() - 1 : result.added.size();
    return fail(code, fmt::format("added_tokens[{}]{}{}", at, key.empty() ? "" : ".", key), expected);
  }

  bool begin_section(Section section, bool& seen, error_code& code) {
    if (seen) return fail(code, path_, "must not appear twice");
    seen = true;
    section_ = section;
    return true;
  }
  bool begin_container(bool is_array, error_code& code);
  void end_container();
  void begin_value();
  bool other_scalar(Scalar::Kind kind, std::string text, error_code& code);
  bool merge_string(std::string_view text, error_code& code);

  std::string_view name_;
  std::string held_, whole_;
  Section section_ = Section::kFields;
  std::string path_;  // of the value that comes next or of the one that just ended
  std::vector<Container> open_;
  StringRange vocab_key_;
  bool in_pair_ = false;  // inside model.merges: in ["a", "b"]
  MergeEntry pair_;
  std::size_t pair_size_ = 0;  // strings of it so far
  bool in_entry_ = false;      // inside added_tokens: in one of its objects
  std::string entry_key_;
};

// Inside an array the path of the next value ends with its index.
void Handler::begin_value() {
  if (open_.empty() || !open_.back().is_array) return;
  path_.resize(open_.back().path_size);
  path_ += fmt::format("[{}]", open_.back().index++);
}

bool Handler::begin_container(bool is_array, error_code& code) {
  begin_value();
  if (path_.size() > kMaxPathBytes) return fail(code, "", "fields nest too deep");
  open_.push_back({path_.size(), is_array, 0});
  return true;
}

void Handler::end_container() {
  path_.resize(open_.back().path_size);
  open_.pop_back();
}

bool Handler::on_object_begin(error_code& code) {
  switch (section_) {
    case Section::kVocab:
      return fail_vocab(code);
    case Section::kMerges:
      return fail_merges(code);
    case Section::kAdded:
      if (in_entry_) return fail_added(code, entry_key_, "must not be an object");
      result.added.emplace_back();
      in_entry_ = true;
      entry_key_.clear();
      return true;
    case Section::kFields:
      break;
  }
  if (path_ == "model.vocab") return begin_section(Section::kVocab, result.has_vocab, code);
  return begin_container(false, code);
}

bool Handler::on_object_end(std::size_t, error_code&) {
  if (section_ == Section::kVocab) {
    section_ = Section::kFields;
  } else if (section_ == Section::kAdded) {
    in_entry_ = false;
  } else {
    end_container();
  }
  return true;
}

bool Handler::on_array_begin(error_code& code) {
  switch (section_) {
    case Section::kVocab:
      return fail_vocab(code);
    case Section::kMerges:
      if (in_pair_) return fail_merges(code);
      in_pair_ = true;
      pair_size_ = 0;
      return true;
    case Section::kAdded:
      return fail_added(code, in_entry_ ? entry_key_ : "", "must not be an array");
    case Section::kFields:
      break;
  }
  if (path_ == "model.merges") return begin_section(Section::kMerges, result.has_merges, code);
  if (path_ == "added_tokens") return begin_section(Section::kAdded, result.has_added, code);
  return begin_container(true, code);
}

bool Handler::on_array_end(std::size_t, error_code& code) {
  if (section_ == Section::kFields) {
    end_container();
  } else if (in_pair_) {
    if (pair_size_ != 2) return fail_merges(code);
    result.merges.push_back(pair_);
    in_pair_ = false;
  } else {
    section_ = Section::kFields;
  }
  return true;
}

bool Handler::on_key(View last, std::size_t, error_code&) {
  const std::string_view key = whole(last);
  if (section_ == Section::kVocab) {
    vocab_key_ = keep(key);
  } else if (section_ == Section::kAdded) {
    entry_key_ = key;
  } else {
    path_.resize(open_.back().path_size);
    if (!path_.empty()) path_ += '.';
    path_ += key;
  }
  return true;
}

bool Handler::on_string(View last, std::size_t, error_code& code) {
  const std::string_view text = whole(last);
  if (section_ == Section::kMerges) return merge_string(text, code);
  if (section_ == Section::kAdded && in_entry_ && entry_key_ == "content") {
    result.added.back().content = keep(text);
    return true;
  }
  return other_scalar(Scalar::Kind::kString, std::string(text), code);
}

bool Handler::merge_string(std::string_view text, error_code& code) {
  if (in_pair_) {
    if (++pair_size_ > 2) return fail_merges(code);
    const StringRange range = keep(text);
    if (pair_size_ == 1) {
      pair_ = {range, range.size};
    } else {
      pair_.both.size += range.size;
    }
    return true;
  }
  // The older form. No piece contains a space: the normalizer leaves none.
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
    return fail_merges(code);
  }
  StringRange both = keep(text.substr(0, space));
  const std::uint32_t left_size = both.size;
  both.size += keep(text.substr(space + 1)).size;
  result.merges.push_back({both, left_size});
  return true;
}

bool Handler::on_int64(std::int64_t value, View, error_code& code) {
  if (section_ == Section::kVocab) {
    result.vocab.push_back({vocab_key_, value});
    return true;
  }
  if (section_ == Section::kAdded && in_entry_ && entry_key_ == "id") {
    result.added.back().id = value;
    result.added.back().has_id = true;
    return true;
  }
  return other_scalar(Scalar::Kind::kNumber, fmt::format("{}", value), code);
}

bool Handler::on_bool(bool value, error_code& code) {
  if (section_ == Section::kAdded && in_entry_) {
    AddedEntry& entry = result.added.back();
    const std::pair<std::string_view, bool*> flags[] = {{"special", &entry.special},
                                                        {"normalized", &entry.normalized},
                                                        {"lstrip", &entry.lstrip},
                                                        {"rstrip", &entry.rstrip},
                                                        {"single_word", &entry.single_word}};
    for (const auto& [key, flag] : flags) {
      if (entry_key_ != key) continue;
      *flag = value;
      return true;
    }
  }
  return other_scalar(Scalar::Kind::kBool, value ? "true" : "false", code);
}

// A scalar that its place has no better use for: a field, or one of the wrong type.
bool Handler::other_scalar(Scalar::Kind kind, std::string text, error_code& code) {
  switch (section_) {
    case Section::kVocab:
      return fail_vocab(code);
    case Section::kMerges:
      return fail_merges(code);
    case Section::kAdded:
      if (!in_entry_) return fail_added(code, "", "must be an object");
      if (entry_key_ == "id") return fail_added(code, entry_key_, "must be an integer");
      if (entry_key_ == "content") return fail_added(code, entry_key_, "must be a string");
      for (const std::string_view flag : {"special", "normalized", "lstrip", "rstrip", "single_word"}) {
        if (entry_key_ == flag) return fail_added(code, entry_key_, "must be true or false");
      }
      return true;  // a key of a later version of the format
    case Section::kFields:
      break;
  }
  begin_value();
  if (result.fields.size() >= kMaxFields) {
    return fail(code, "", fmt::format("more than {} fields beside its lists", kMaxFields));
  }
  if (path_.size() > kMaxPathBytes) return fail(code, "", "fields nest too deep");
  result.fields.insert_or_assign(path_, Scalar{kind, std::move(text)});
  return true;
}

}  // namespace

Result<TokenizerJson> read_tokenizer_json(std::string_view json, std::string_view name) {
  if (json.size() > kMaxJsonBytes) {
    return bad_format(name, "",
                      fmt::format("must have at most {} bytes, but has {}", kMaxJsonBytes, json.size()));
  }
  boost::json::parse_options options;
  options.max_depth = kMaxDepth;
  boost::json::basic_parser<Handler> parser(options, name);
  error_code code;
  const std::size_t read = parser.write_some(false, json.data(), json.size(), code);
  if (parser.handler().error) return *parser.handler().error;
  if (!code && read < json.size()) code = boost::json::make_error_code(boost::json::error::extra_data);
  if (code) return bad_format(name, "", fmt::format("not valid JSON at byte {}: {}", read, code.message()));
  return std::move(parser.handler().result);
}

}  // namespace gemvec::tokenizer
