// Checks the lists of a tokenizer.json against each other and fills the tables.
#include "tokenizer/build.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "base/quote.h"
#include "base/try.h"
#include "base/utf8.h"
#include "tokenizer/config_check.h"
#include "tokenizer/messages.h"

namespace gemvec::tokenizer {

namespace {

// piece -> id while the tables are built: open addressing, at most half full.
class PieceIndex {
 public:
  PieceIndex(const OwnedTables& tables, std::size_t pieces)
      : tables_(tables), slots_(std::bit_ceil(pieces * 2), Slot{}) {}

  // False if the piece is there already.
  bool insert(std::int32_t id) {
    const std::string_view piece = tables_.piece(id);
    const std::uint64_t hash = hash_of(piece);
    Slot& slot = slots_[place(piece, hash)];
    if (slot.id != kNoToken) return false;
    slot = {static_cast<std::uint32_t>(hash), id};
    return true;
  }
  [[nodiscard]] std::int32_t find(std::string_view piece) const { return find(piece, hash_of(piece)); }
  // The piece's hash, for a find() that comes a little later.
  [[nodiscard]] std::uint64_t prefetch(std::string_view piece) const {
    const std::uint64_t hash = hash_of(piece);
    __builtin_prefetch(&slots_[home(hash)]);
    return hash;
  }
  [[nodiscard]] std::int32_t find(std::string_view piece, std::uint64_t hash) const {
    return slots_[place(piece, hash)].id;
  }

 private:
  struct Slot {
    std::uint32_t hash = 0;  // the lower half: spares most comparisons of strings
    std::int32_t id = kNoToken;
  };

  static std::uint64_t hash_of(std::string_view text) {
    constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15u;  // 2^64 / golden ratio, odd
    std::uint64_t hash = text.size() * kMultiplier;
    for (; !text.empty(); text.remove_prefix(std::min<std::size_t>(8, text.size()))) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data(), std::min<std::size_t>(8, text.size()));
      hash = (hash ^ word) * kMultiplier;
      hash ^= hash >> 29;
    }
    return hash;
  }

  [[nodiscard]] std::size_t home(std::uint64_t hash) const { return (hash >> 32) & (slots_.size() - 1); }
  // Where the piece stands, or the free slot where it would.
  [[nodiscard]] std::size_t place(std::string_view piece, std::uint64_t hash) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = home(hash);
    while (slots_[at].id != kNoToken &&
           (slots_[at].hash != static_cast<std::uint32_t>(hash) || tables_.piece(slots_[at].id) != piece)) {
      at = (at + 1) & mask;
    }
    return at;
  }

  const OwnedTables& tables_;
  std::vector<Slot> slots_;
};

char32_t first_code_point(std::string_view piece) { return base::decode_utf8(piece, 0).value; }

char32_t last_code_point(std::string_view piece) {
  std::size_t at = piece.size() - 1;
  while (at > 0 && (static_cast<std::uint8_t>(piece[at]) & 0xC0) == 0x80) --at;
  return base::decode_utf8(piece, at).value;
}

// Control strings: what a text must not be able to say under ControlText::kText. The release marks
// some of them as special (<pad>, <eos>, <bos>, <unk>, the turn and image marks); the other names that
// stand for no text are <mask>, [multimodal] and the reserved <unusedN>. Runs of newlines, tabs and
// space marks and the HTML tags are text in the release's eyes, and so always match.
bool is_control(const AddedEntry& entry, std::string_view content) {
  return entry.special || content == "<mask>" || content == "[multimodal]" || content.starts_with("<unused");
}

struct Merge {
  std::int32_t left = 0, right = 0, result = 0;
};

class Builder {
 public:
  Builder(const TokenizerJson& json, std::string_view name, const ListNames& lists)
      : json_(json), name_(name), lists_(lists) {}

  Result<OwnedTables> build() {
    GEMVEC_CHECK_OK(add_pieces());
    PieceIndex index(tables_, tables_.vocab_size());
    for (std::size_t id = 0; id < tables_.vocab_size(); ++id) {
      if (index.insert(static_cast<std::int32_t>(id))) continue;
      return bad(lists_.vocab, fmt::format("must not have {} twice", base::quote(piece(id))));
    }
    GEMVEC_CHECK_OK(add_symbols(index));
    GEMVEC_CHECK_OK(add_merges(index));
    GEMVEC_CHECK_OK(add_added_tokens(index));
    GEMVEC_CHECK_OK(check_control_tokens());
    return std::move(tables_);
  }

 private:
  [[nodiscard]] Error bad(std::string_view field, std::string_view expected) const {
    return bad_format(name_, field, expected);
  }
  [[nodiscard]] std::string_view piece(std::size_t id) const {
    return tables_.piece(static_cast<std::int32_t>(id));
  }

  struct MergeText {
    std::string_view left, right, both;
  };
  [[nodiscard]] MergeText merge_text(std::size_t rank) const {
    const MergeEntry& entry = json_.merges[rank];
    const std::string_view both = json_.string(entry.both);
    return {both.substr(0, entry.left_size), both.substr(entry.left_size), both};
  }

  Status add_pieces();
  Status add_symbols(const PieceIndex& index);
  Status add_merges(const PieceIndex& index);
  Status add_merge(std::size_t rank, const MergeText& text, const Merge& merge);
  Status add_added_tokens(const PieceIndex& index);
  Status add_added_token(const AddedEntry& entry, const std::string& field);
  [[nodiscard]] Status check_control_tokens() const;

  const TokenizerJson& json_;
  std::string_view name_;
  const ListNames& lists_;
  OwnedTables tables_;
  std::vector<bool> is_byte_, is_added_, is_control_;  // [vocab]
};

Status Builder::add_pieces() {
  if (!json_.has_vocab) return bad(lists_.vocab, "must be an object that maps pieces to ids, but is missing");
  const std::size_t count = json_.vocab.size();
  if (count > kMaxVocab) return bad(lists_.vocab, fmt::format("must have at most {} pieces", kMaxVocab));
  constexpr std::uint32_t kNone = ~std::uint32_t{0};
  std::vector<std::uint32_t> entry_of(count, kNone);  // [id]
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const VocabEntry& entry = json_.vocab[i];
    const std::string_view piece = json_.string(entry.piece);
    if (piece.empty() || piece.size() > kMaxPieceBytes) {
      return bad(lists_.vocab, fmt::format("must have pieces of 1 to {} bytes, but {} has {}", kMaxPieceBytes,
                                           base::quote(piece), piece.size()));
    }
    if (entry.id < 0 || static_cast<std::uint64_t>(entry.id) >= count) {
      return bad(lists_.vocab, fmt::format("must number its {} pieces from 0 to {}, but {} has id {}", count,
                                           count - 1, base::quote(piece), entry.id));
    }
    std::uint32_t& place = entry_of[static_cast<std::size_t>(entry.id)];
    if (place != kNone) return bad(lists_.vocab, fmt::format("must not use the id {} twice", entry.id));
    place = static_cast<std::uint32_t>(i);
    bytes += piece.size();
  }
  tables_.piece_bytes.reserve(bytes);
  tables_.piece_begin.reserve(count + 1);
  for (const std::uint32_t entry : entry_of) {
    tables_.piece_begin.push_back(static_cast<std::uint32_t>(tables_.piece_bytes.size()));
    tables_.piece_bytes += json_.string(json_.vocab[entry].piece);
  }
  tables_.piece_begin.push_back(static_cast<std::uint32_t>(tables_.piece_bytes.size()));
  is_byte_.resize(count);
  is_added_.resize(count);
  is_control_.resize(count);
  return {};
}

// Code points and bytes: what a text is made of before any merge.
Status Builder::add_symbols(const PieceIndex& index) {
  for (std::size_t id = 0; id < tables_.vocab_size(); ++id) {
    const base::CodePoint code_point = base::decode_utf8(piece(id), 0);
    if (code_point.size == piece(id).size()) {
      tables_.set_char(code_point.value, static_cast<std::int32_t>(id));
    }
  }
  const std::int32_t space_mark = index.find(kSpaceMarkUtf8);
  if (space_mark == kNoToken) return bad(lists_.vocab, "must have the space mark U+2581 as a piece");
  tables_.set_char(U' ', space_mark);  // the normalizer
  for (unsigned byte = 0; byte < 256; ++byte) {
    const std::string name = fmt::format("<0x{:02X}>", byte);
    const std::int32_t id = index.find(name);
    if (id == kNoToken) return bad(lists_.vocab, fmt::format("must have the byte token {}", name));
    tables_.byte_id[byte] = id;
    is_byte_[static_cast<std::size_t>(id)] = true;
  }
  return {};
}

Status Builder::add_merges(const PieceIndex& index) {
  if (!json_.has_merges) return bad(lists_.merges, "must be a list of pairs of pieces, but is missing");
  const std::size_t count = json_.merges.size();
  if (count > kMaxMerges) return bad(lists_.merges, fmt::format("must have at most {} pairs", kMaxMerges));
  tables_.reserve_pairs(count);
  tables_.merged.reserve(count);
  // Most of the time of loading is spent waiting for the index's memory, so the lookups of one block are
  // all under way before the first is needed. 64 x 3 cache lines fit the smallest first-level cache.
  constexpr std::size_t kBlock = 64;
  std::array<std::uint64_t, kBlock * 3> hashes;
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t end = std::min(count, begin + kBlock);
    for (std::size_t rank = begin; rank < end; ++rank) {
      const MergeText text = merge_text(rank);
      std::uint64_t* hash = &hashes[(rank - begin) * 3];
      hash[0] = index.prefetch(text.left);
      hash[1] = index.prefetch(text.right);
      hash[2] = index.prefetch(text.both);
    }
    for (std::size_t rank = begin; rank < end; ++rank) {
      const MergeText text = merge_text(rank);
      const std::uint64_t* hash = &hashes[(rank - begin) * 3];
      GEMVEC_CHECK_OK(add_merge(
          rank, text,
          {index.find(text.left, hash[0]), index.find(text.right, hash[1]), index.find(text.both, hash[2])}));
    }
  }
  return {};
}

Status Builder::add_merge(std::size_t rank, const MergeText& text, const Merge& merge) {
  const auto field = [this, rank] { return fmt::format("{}[{}]", lists_.merges, rank); };
  for (const auto& [id, piece] :
       {std::pair(merge.left, text.left), {merge.right, text.right}, {merge.result, text.both}}) {
    if (id != kNoToken) continue;
    return bad(field(), fmt::format("joins {} and {}, but {} is not in \"{}\"", base::quote(text.left),
                                    base::quote(text.right), base::quote(piece), lists_.vocab));
  }
  if (!tables_.insert_pair(merge.left, merge.right, static_cast<std::uint32_t>(rank))) {
    return bad(field(), fmt::format("joins {} and {}, as an earlier pair does", base::quote(text.left),
                                    base::quote(text.right)));
  }
  tables_.merged.push_back(merge.result);
  tables_.insert_junction(last_code_point(text.left), first_code_point(text.right));
  tables_.bytes_merge = tables_.bytes_merge || is_byte_[static_cast<std::size_t>(merge.left)] ||
                        is_byte_[static_cast<std::size_t>(merge.right)];
  return {};
}

Status Builder::add_added_tokens(const PieceIndex& index) {
  for (std::size_t i = 0; i < json_.added.size(); ++i) {
    GEMVEC_CHECK_OK(add_added_token(json_.added[i], fmt::format("{}[{}]", lists_.added, i)));
  }
  const std::pair<std::string_view, std::int32_t*> needed[] = {
      {"<bos>", &tables_.bos}, {"<eos>", &tables_.eos}, {"<pad>", &tables_.pad}};
  for (const auto& [content, place] : needed) {
    *place = index.find(content);
    if (*place != kNoToken && is_control_[static_cast<std::size_t>(*place)]) continue;
    return bad(lists_.added, fmt::format("must have the special token {}", content));
  }
  return {};
}

Status Builder::add_added_token(const AddedEntry& entry, const std::string& field) {
  const std::string_view content = json_.string(entry.content);
  if (content.empty()) return bad(field + ".content", "must be a string that is not empty");
  if (!entry.has_id || entry.id < 0) return bad(field + ".id", "must be an id of 0 or more");
  // The release lists <image_soft_token> with the first id beyond the embedding table. Such a string
  // is ordinary text to us, so that nothing ever looks outside the table.
  if (static_cast<std::uint64_t>(entry.id) >= tables_.vocab_size()) return {};
  const auto id = static_cast<std::size_t>(entry.id);
  if (piece(id) != content) {
    return bad(field, fmt::format("gives the id {} to {}, but \"{}\" gives it to {}", id,
                                  base::quote(content), lists_.vocab, base::quote(piece(id))));
  }
  if (is_added_[id]) return bad(field, fmt::format("adds {} a second time", base::quote(content)));
  const std::pair<std::string_view, bool> unsupported[] = {{"normalized", entry.normalized},
                                                           {"lstrip", entry.lstrip},
                                                           {"rstrip", entry.rstrip},
                                                           {"single_word", entry.single_word}};
  for (const auto& [flag, value] : unsupported) {
    if (value) return bad(fmt::format("{}.{}", field, flag), "must be false, but is true");
  }
  // Added tokens are looked for in the bytes as they are, before invalid ones have become U+FFFD.
  if (content.find("\xEF\xBF\xBD") != std::string_view::npos) {
    return bad(field + ".content", "must not contain the replacement character U+FFFD");
  }
  is_added_[id] = true;
  is_control_[id] = is_control(entry, content);
  tables_.insert_added(content, static_cast<std::int32_t>(id), is_control_[id]);
  return {};
}

// ControlText::kText promises that no text can produce a control token: merges must not either, nor may
// a code point or byte be one.
Status Builder::check_control_tokens() const {
  const auto control = [this](std::int32_t id) { return is_control_[static_cast<std::size_t>(id)]; };
  for (std::size_t rank = 0; rank < tables_.merged.size(); ++rank) {
    if (!control(tables_.merged[rank])) continue;
    return bad(
        fmt::format("{}[{}]", lists_.merges, rank),
        fmt::format("must not make the control token {}", base::quote(tables_.piece(tables_.merged[rank]))));
  }
  for (std::size_t id = 0; id < tables_.vocab_size(); ++id) {
    const bool is_symbol = is_byte_[id] || base::decode_utf8(piece(id), 0).size == piece(id).size();
    if (!is_symbol || !is_control_[id]) continue;
    return bad(lists_.added, fmt::format("must not make {} a control token: it is a character or a byte",
                                         base::quote(piece(id))));
  }
  return {};
}

}  // namespace

Result<OwnedTables> build_tables(const TokenizerJson& json, std::string_view name) {
  GEMVEC_CHECK_OK(check_config(json, name));
  return build_from_lists(json, name, {});
}

Result<OwnedTables> build_from_lists(const TokenizerJson& json, std::string_view name,
                                     const ListNames& lists) {
  return Builder(json, name, lists).build();
}

}  // namespace gemvec::tokenizer
