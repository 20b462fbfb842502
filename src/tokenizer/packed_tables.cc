// Tables -> bytes -> views.
#include "tokenizer/packed_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/try.h"
#include "tokenizer/messages.h"
#include "tokenizer/owned_tables.h"

namespace gemvec::tokenizer {

namespace {

// The tables in the order in which they follow the head.
enum Part {
  kPieceBytes,
  kPieceBegin,
  kCharPage,
  kCharId,
  kByteId,
  kMerged,
  kSlot,
  kAscii,
  kHashed,
  kNode,
  kStarts,
  kParts,
};
constexpr std::array<const char*, kParts> kPartNames = {"piece_bytes", "piece_begin", "char_page", "char_id",
                                                        "byte_id",     "merged",      "slot",      "ascii",
                                                        "hashed",      "node",        "starts"};

struct Head {
  std::array<std::uint64_t, kParts> bytes{};
  std::int32_t bos = 0, eos = 0, pad = 0;
  std::uint32_t bytes_merge = 0;  // 0 or 1
};
static_assert(sizeof(AddedTokens::Node) == 16 && sizeof(Head) == 8 * kParts + 16);

constexpr std::size_t aligned(std::size_t size) {
  return (size + kPackedAlignment - 1) / kPackedAlignment * kPackedAlignment;
}

using Bytes = std::span<const std::byte>;

std::array<Bytes, kParts> parts_of(const Tables& t) {
  return {std::as_bytes(std::span(t.piece_bytes)),
          std::as_bytes(t.piece_begin),
          std::as_bytes(t.chars.page),
          std::as_bytes(t.chars.id),
          std::as_bytes(t.byte_id),
          std::as_bytes(t.merged),
          std::as_bytes(t.pairs.slot),
          std::as_bytes(t.junctions.ascii),
          std::as_bytes(t.junctions.hashed),
          std::as_bytes(t.added.node),
          std::as_bytes(t.added.starts)};
}

// The loops below have no branch per element, so that they run at the speed of memory.

// Whether all are in lowest..limit - 1. REQUIRES: lowest is 0 or -1
bool all_within(std::span<const std::int32_t> ids, std::int32_t lowest, std::size_t limit) {
  const auto range = static_cast<std::uint32_t>(static_cast<std::int64_t>(limit) - lowest);
  std::uint32_t outside = 0;
  for (const std::int32_t id : ids)
    outside |= static_cast<std::uint32_t>(id) - static_cast<std::uint32_t>(lowest) >= range ? 1U : 0U;
  return outside == 0;
}

bool ascends(std::span<const std::uint32_t> offsets) {
  std::uint32_t falls = 0;
  for (std::size_t i = 1; i < offsets.size(); ++i) falls |= offsets[i - 1] > offsets[i] ? 1U : 0U;
  return falls == 0;
}

// Every rank is that of a merge, and at least half of the slots are free: a search ends, and soon.
bool good_slots(std::span<const std::uint64_t> slots, std::size_t merges) {
  std::uint64_t outside = 0, free = 0;
  for (const std::uint64_t slot : slots) {
    const std::uint64_t is_free = slot == PairTable::kFree ? 1U : 0U;
    free += is_free;
    outside |= ((slot & kNoMerge) >= merges ? 1U : 0U) & (is_free ^ 1U);
  }
  return outside == 0 && free * 2 >= slots.size();
}

bool good_nodes(std::span<const AddedTokens::Node> nodes, std::size_t vocab) {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const AddedTokens::Node& node = nodes[i];
    const bool child = node.child == 0 || (node.child > i && node.child < nodes.size());
    const bool sibling = node.sibling == 0 || node.sibling < i;
    if (!child || !sibling || !all_within({&node.token, 1}, kNoToken, vocab)) return false;
  }
  return true;
}

class Reader {
 public:
  Reader(Bytes bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  Result<Tables> read() {
    GEMVEC_CHECK_OK(cut());
    GEMVEC_CHECK_OK(sizes());
    GEMVEC_CHECK_OK(indices());
    return tables_;
  }

 private:
  [[nodiscard]] Error bad(Part part, std::string_view expected) const {
    return bad_format(name_, kPartNames[part], expected);
  }
  template <class T>
  [[nodiscard]] std::span<const T> array(Part part) const {
    const Bytes& bytes = parts_[part];
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }

  // Where each table lies. The head's sizes must add up to the file's.
  Status cut() {
    if (bytes_.size() < aligned(sizeof(Head)))
      return bad_format(name_, "", fmt::format("expected tokenizer tables, found {} bytes", bytes_.size()));
    std::memcpy(&head_, bytes_.data(), sizeof(head_));
    std::size_t at = aligned(sizeof(Head));
    for (unsigned part = 0; part < kParts; ++part) {
      if (head_.bytes[part] > bytes_.size() - at || aligned(head_.bytes[part]) > bytes_.size() - at)
        return bad(static_cast<Part>(part), fmt::format("must fit into the {} bytes there are, but has {}",
                                                        bytes_.size() - at, head_.bytes[part]));
      parts_[part] = bytes_.subspan(at, head_.bytes[part]);
      at += aligned(head_.bytes[part]);
    }
    if (at != bytes_.size())
      return bad_format(name_, "", fmt::format("expected {} bytes, found {}", at, bytes_.size()));
    return {};
  }

  Status sizes() {
    const std::array<std::size_t, kParts> element = {1, 4, 2, 4, 4, 4, 8, 8, 8, sizeof(AddedTokens::Node), 1};
    // 0: any number of elements
    const std::array<std::size_t, kParts> count = {
        0, 0, CharTable::kPages, 0, 256, 0, 0, JunctionSet::kAsciiWords, JunctionSet::kHashedWords, 0, 256};
    for (unsigned part = 0; part < kParts; ++part) {
      const std::size_t bytes = parts_[part].size();
      if (bytes % element[part] != 0 || (count[part] != 0 && bytes != count[part] * element[part]))
        return bad(static_cast<Part>(part), fmt::format("must not have {} bytes", bytes));
    }
    tables_.piece_bytes = {reinterpret_cast<const char*>(parts_[kPieceBytes].data()),
                           parts_[kPieceBytes].size()};
    tables_.piece_begin = array<std::uint32_t>(kPieceBegin);
    tables_.chars = {array<std::uint16_t>(kCharPage), array<std::int32_t>(kCharId)};
    tables_.byte_id = array<std::int32_t>(kByteId);
    tables_.merged = array<std::int32_t>(kMerged);
    tables_.pairs.slot = array<std::uint64_t>(kSlot);
    tables_.junctions = {array<std::uint64_t>(kAscii), array<std::uint64_t>(kHashed)};
    tables_.added = {array<AddedTokens::Node>(kNode), array<std::uint8_t>(kStarts)};
    tables_.bos = head_.bos;
    tables_.eos = head_.eos;
    tables_.pad = head_.pad;
    tables_.bytes_merge = head_.bytes_merge != 0;
    if (tables_.piece_begin.size() < 2 || tables_.vocab_size() > kMaxVocab)
      return bad(kPieceBegin, fmt::format("must have 1 to {} pieces", kMaxVocab));
    if (tables_.merged.size() > kMaxMerges)
      return bad(kMerged, fmt::format("must have at most {} merges", kMaxMerges));
    const std::size_t slots = tables_.pairs.slot.size();
    if (slots < 2 || !std::has_single_bit(slots)) return bad(kSlot, "must have a power of two of slots");
    tables_.pairs.shift = pair_shift(slots);
    if (tables_.added.node.empty()) return bad(kNode, "must have a root");
    return {};
  }

  [[nodiscard]] Status indices() const {
    const std::size_t vocab = tables_.vocab_size();
    const auto begin = tables_.piece_begin;
    if (!ascends(begin) || begin.back() > tables_.piece_bytes.size())
      return bad(kPieceBegin, "must rise to the size of piece_bytes");
    const std::size_t pages = tables_.chars.id.size() >> 8;
    for (const std::uint16_t page : tables_.chars.page) {
      if (page >= pages) return bad(kCharPage, fmt::format("must name pages below {}", pages));
    }
    const std::string ids = fmt::format("must have ids below {}", vocab);
    if (!all_within(tables_.chars.id, kNoToken, vocab)) return bad(kCharId, ids);
    if (!all_within(tables_.byte_id, 0, vocab)) return bad(kByteId, ids);
    if (!all_within(tables_.merged, 0, vocab)) return bad(kMerged, ids);
    const std::array controls = {tables_.bos, tables_.eos, tables_.pad};
    if (!all_within(controls, 0, vocab)) return bad_format(name_, "bos, eos, pad", ids);
    if (!good_slots(tables_.pairs.slot, tables_.merged.size()))
      return bad(kSlot, "must have ranks of merges, and half of its slots free");
    if (!good_nodes(tables_.added.node, vocab)) return bad(kNode, "must be a trie");
    return {};
  }

  Bytes bytes_;
  std::string_view name_;
  Head head_;
  std::array<Bytes, kParts> parts_;
  Tables tables_;
};

}  // namespace

std::size_t packed_bytes(const Tables& tables) {
  std::size_t bytes = aligned(sizeof(Head));
  for (const Bytes& part : parts_of(tables)) bytes += aligned(part.size());
  return bytes;
}

void pack_tables(const Tables& tables, std::span<std::byte> out) {
  const auto parts = parts_of(tables);
  Head head;
  for (std::size_t i = 0; i < kParts; ++i) head.bytes[i] = parts[i].size();
  head.bos = tables.bos;
  head.eos = tables.eos;
  head.pad = tables.pad;
  head.bytes_merge = tables.bytes_merge ? 1 : 0;
  std::memcpy(out.data(), &head, sizeof(head));
  std::size_t at = aligned(sizeof(Head));
  for (const Bytes& part : parts) {
    std::copy(part.begin(), part.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
    at += aligned(part.size());
  }
}

Result<Tables> view_tables(std::span<const std::byte> bytes, std::string_view name) {
  return Reader(bytes, name).read();
}

}  // namespace gemvec::tokenizer
