// Scores into ranks.
#include "tokenizer/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "base/quote.h"
#include "base/try.h"
#include "base/utf8.h"
#include "tokenizer/build.h"
#include "tokenizer/json_reader.h"
#include "tokenizer/messages.h"

namespace gemvec::tokenizer {

namespace {

constexpr std::string_view kTokens = "tokenizer.ggml.tokens", kScores = "tokenizer.ggml.scores",
                           kTypes = "tokenizer.ggml.token_type";
constexpr ListNames kLists = {kTokens, kTokens, kTokens};
constexpr std::uint32_t kNone = ~std::uint32_t{0};

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;  // not a byte inside a code point
  }));
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const base::CodePoint code_point = base::decode_utf8(text, at);
    if (!code_point.valid) return false;
    at += code_point.size;
  }
  return true;
}

// For each string the longest other one that is a proper prefix of it, or kNone. In sorted order a string's
// prefixes come before it, and what lies between them begins with them too: a stack holds them all.
std::vector<std::uint32_t> longest_prefixes(const std::vector<std::string_view>& strings) {
  std::vector<std::uint32_t> order(strings.size()), longest(strings.size(), kNone), stack;
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return strings[a] < strings[b]; });
  for (const std::uint32_t i : order) {
    while (!stack.empty() && (!strings[i].starts_with(strings[stack.back()]) ||
                              strings[i].size() == strings[stack.back()].size())) {
      stack.pop_back();
    }
    if (!stack.empty()) longest[i] = stack.back();
    stack.push_back(i);
  }
  return longest;
}

struct Pair {
  float score = 0;
  std::uint16_t left_length = 0, right_length = 0;  // code points
  std::uint16_t left_bytes = 0;
  std::uint32_t piece = 0;
};

class Converter {
 public:
  Converter(const Vocabulary& vocabulary, std::string_view name) : from_(vocabulary), name_(name) {}

  Result<OwnedTables> convert() {
    if (from_.pieces.size() > kMaxVocab)
      return bad(kTokens, fmt::format("must have at most {} pieces", kMaxVocab));
    GEMVEC_CHECK_OK(check_length(kScores, from_.scores.size()));
    GEMVEC_CHECK_OK(check_length(kTypes, from_.types.size()));
    for (std::size_t id = 0; id < from_.pieces.size(); ++id) GEMVEC_CHECK_OK(add_piece(id));
    GEMVEC_CHECK_OK(add_merges());
    to_.has_vocab = to_.has_merges = to_.has_added = true;
    return build_from_lists(to_, name_, kLists);
  }

 private:
  [[nodiscard]] Error bad(std::string_view field, std::string_view expected) const {
    return bad_format(name_, field, expected);
  }
  [[nodiscard]] std::string_view piece(std::size_t id) const { return to_.string(to_.vocab[id].piece); }
  [[nodiscard]] PieceType type(std::size_t id) const { return static_cast<PieceType>(from_.types[id]); }
  [[nodiscard]] bool is_text(std::size_t id) const {
    return type(id) == PieceType::kNormal || type(id) == PieceType::kUserDefined;
  }

  [[nodiscard]] Status check_length(std::string_view list, std::size_t length) const {
    if (length == from_.pieces.size()) return {};
    return bad(list, fmt::format("must have one element for each of {} tokens, but has {}",
                                 from_.pieces.size(), length));
  }

  Status add_piece(std::size_t id) {
    const std::string_view given = from_.pieces[id];
    const auto field = [&](std::string_view list) { return fmt::format("{}[{}]", list, id); };
    if (given.empty() || given.size() > kMaxPieceBytes || !is_utf8(given))
      return bad(field(kTokens), fmt::format("must be 1 to {} bytes of UTF-8, but is {}", kMaxPieceBytes,
                                             base::quote(given)));
    if (std::isnan(from_.scores[id])) return bad(field(kScores), "must be a number, but is none");
    if (from_.types[id] < 1 || from_.types[id] > 6)
      return bad(field(kTypes), fmt::format("must be 1 to 6, but is {}", from_.types[id]));
    const bool is_added = type(id) == PieceType::kUserDefined || type(id) == PieceType::kControl ||
                          type(id) == PieceType::kUnknown;
    const bool is_byte_name = given.size() == 6 && given.starts_with("<0x") && given.ends_with('>');
    if (is_byte_name != (type(id) == PieceType::kByte))
      return bad(field(kTypes), fmt::format("must be 6 for bytes and only for them, but is {} for {}",
                                            from_.types[id], base::quote(given)));
    // What is never used must not stand for a character.
    if (type(id) == PieceType::kUnused && code_points(given) == 1)
      return bad(field(kTypes),
                 fmt::format("must not be 5, unused, for a character, but is for {}", base::quote(given)));
    const bool has_space = type(id) == PieceType::kUserDefined && given.find(' ') != given.npos;
    if (has_space && given.find_first_not_of(' ') != given.npos)
      return bad(field(kTokens),
                 fmt::format("must not have spaces beside other characters, but is {}", base::quote(given)));
    if (type(id) == PieceType::kNormal) best_ = std::max(best_, from_.scores[id]);
    const StringRange range = keep(given, has_space);
    if (range.size > kMaxPieceBytes)
      return bad(field(kTokens), fmt::format("must be at most {} bytes with U+2581 for spaces, but is {}",
                                             kMaxPieceBytes, range.size));
    to_.vocab.push_back({range, static_cast<std::int64_t>(id)});
    if (!is_added) return {};
    AddedEntry entry;
    entry.content = range;
    entry.id = static_cast<std::int64_t>(id);
    entry.has_id = true;
    entry.special = type(id) != PieceType::kUserDefined;
    to_.added.push_back(entry);
    return {};
  }

  // The piece as tokenizer.json spells it: with U+2581 for a space.
  StringRange keep(std::string_view piece, bool replace_spaces) {
    const auto begin = static_cast<std::uint32_t>(to_.strings.size());
    for (const char c : piece) {
      if (c == ' ' && replace_spaces) {
        to_.strings += kSpaceMarkUtf8;
      } else {
        to_.strings += c;
      }
    }
    return {begin, static_cast<std::uint32_t>(to_.strings.size()) - begin};
  }

  Status add_merges() {
    GEMVEC_TRY(pairs, find_pairs());
    std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
      if (a.score != b.score) return a.score > b.score;
      return std::pair(a.left_length, a.right_length) > std::pair(b.left_length, b.right_length);
    });
    to_.merges.reserve(pairs.size());
    for (const Pair& pair : pairs) to_.merges.push_back({to_.vocab[pair.piece].piece, pair.left_bytes});
    return {};
  }

  // Every way to cut a piece of text into two pieces of text.
  Result<std::vector<Pair>> find_pairs() {
    std::vector<std::uint32_t> ids;
    std::size_t bytes = 0;
    for (std::size_t id = 0; id < to_.vocab.size(); ++id) {
      if (!is_text(id)) continue;
      ids.push_back(static_cast<std::uint32_t>(id));
      bytes += piece(id).size();
    }
    std::vector<std::string_view> forward, backward;
    std::string reversed;
    reversed.reserve(bytes);  // and so the views into it stay valid
    for (const std::uint32_t id : ids) {
      forward.push_back(piece(id));
      const std::size_t begin = reversed.size();
      reversed.append(forward.back().rbegin(), forward.back().rend());
      backward.push_back(std::string_view(reversed).substr(begin));
    }
    const std::vector<std::uint32_t> prefix = longest_prefixes(forward), suffix = longest_prefixes(backward);
    std::vector<Pair> pairs;
    std::array<bool, kMaxPieceBytes + 1> is_suffix{};  // [bytes] does a piece of this size end the piece?
    for (std::size_t i = 0; i < ids.size(); ++i) {
      for (auto s = suffix[i]; s != kNone; s = suffix[s]) is_suffix[backward[s].size()] = true;
      for (auto p = prefix[i]; p != kNone; p = prefix[p]) {
        if (!is_suffix[forward[i].size() - forward[p].size()]) continue;
        if (pairs.size() == kMaxMerges)
          return bad(kTokens, fmt::format("must be cut into pieces in at most {} ways", kMaxMerges));
        pairs.push_back(pair_of(ids[i], forward[i], forward[p].size()));
      }
      for (auto s = suffix[i]; s != kNone; s = suffix[s]) is_suffix[backward[s].size()] = false;
    }
    return pairs;
  }

  [[nodiscard]] Pair pair_of(std::uint32_t id, std::string_view whole, std::size_t left_bytes) const {
    return {type(id) == PieceType::kUserDefined ? best_ : from_.scores[id],
            static_cast<std::uint16_t>(code_points(whole.substr(0, left_bytes))),
            static_cast<std::uint16_t>(code_points(whole.substr(left_bytes))),
            static_cast<std::uint16_t>(left_bytes), id};
  }

  const Vocabulary& from_;
  std::string_view name_;
  TokenizerJson to_;
  float best_ = 0;  // the best score that there is, which user-defined pieces have
};

}  // namespace

Result<OwnedTables> build_tables(const Vocabulary& vocabulary, std::string_view name) {
  return Converter(vocabulary, name).convert();
}

}  // namespace gemvec::tokenizer
