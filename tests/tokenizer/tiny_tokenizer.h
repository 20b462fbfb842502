// Small tokenizers of the same kind as the release's, made in memory, and a slow reference for them.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemvec::testing {

// The lists of a tokenizer.json. A piece's id is its place in `pieces`.
struct TinyTokenizer {
  struct Added {
    std::string content;
    std::int64_t id = 0;
    bool special = false;
  };
  std::vector<std::string> pieces;
  std::vector<std::pair<std::string, std::string>> merges;
  std::vector<Added> added;

  // Appends the piece if it is new; returns its id.
  std::int32_t add_piece(const std::string& piece);
  // Appends a merge, and its result as a piece.
  void add_merge(const std::string& left, const std::string& right);
  // Appends an added token, and its content as a piece.
  void add_token(const std::string& content, bool special);

  [[nodiscard]] std::int32_t id(const std::string& piece) const { return ids_.at(piece); }
  [[nodiscard]] bool has(const std::string& piece) const { return ids_.count(piece) != 0; }
  // The whole tokenizer.json; merges as "a b" instead of ["a","b"] if asked for.
  [[nodiscard]] boost::json::value json(bool legacy_merges = false) const;
  [[nodiscard]] std::string text(bool legacy_merges = false) const;

 private:
  std::map<std::string, std::int32_t> ids_;
};

// <pad> <eos> <bos> <unk> <mask>, <start_of_turn>, <unused0>, byte tokens, runs of newlines, tabs and
// space marks, <b> and </b>, <image_soft_token> beyond the table, and a few words of English.
TinyTokenizer tiny_tokenizer();

enum class Merges {
  kText,   // of a few characters of several scripts, the space mark among them
  kBytes,  // the same, and some merges have byte tokens as parts
  kDense,  // of two letters, any two of which merge: a text of them has no place to cut
};

// The same control tokens and byte tokens with merges at random over few characters, in random order,
// so that merges meet, overlap and undo each other as often as possible.
TinyTokenizer random_tokenizer(std::mt19937& bits, Merges merges);

// One token and the bytes of the text it stands for.
struct ReferenceToken {
  std::int32_t id = 0;
  std::size_t begin = 0, end = 0;
};

// The algorithm in its plainest form: the added tokens by trying each at each place, then one merge
// after the other by looking at all pairs. Without BOS and EOS.
std::vector<ReferenceToken> reference_encode(const TinyTokenizer& tokenizer, std::string_view text,
                                             bool parse_control);

}  // namespace gemvec::testing
