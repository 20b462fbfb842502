// Byte-pair merges of one run of symbols.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tokenizer/tables.h"

namespace gemvec::tokenizer {

// A run of neighbouring symbols (code points or bytes, as ids) and then of the tokens they merge to.
// It keeps its memory from one run to the next.
class SymbolRun {
 public:
  explicit SymbolRun(const Tables& tables) : tables_(&tables) {}

  void push(std::int32_t id, std::uint16_t bytes) {
    if (size_ == ids_.size()) grow();
    ids_[size_] = id;
    bytes_[size_] = bytes;
    ++size_;
  }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  void clear() { size_ = 0; }

  // Repeats until nothing merges: of all neighbouring pairs, joins the one of lowest rank, and of
  // several with that rank the leftmost. O(n log n) for n symbols.
  void merge();

  // After merge(): [size()] the tokens and the number of bytes of the original text in each.
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const std::int32_t* ids() const { return ids_.data(); }
  [[nodiscard]] const std::uint16_t* bytes() const { return bytes_.data(); }

 private:
  void grow();
  void merge_short();
  void merge_long();
  [[nodiscard]] bool is_lowest_nearby(std::size_t place) const;
  void offer(std::size_t place);
  void join(std::size_t place);
  // The places of the neighbouring tokens.
  [[nodiscard]] std::size_t after(std::size_t place) const { return place + span_[place]; }
  [[nodiscard]] std::size_t before(std::size_t place) const { return place - span_[place - 1]; }

  const Tables* tables_;
  std::size_t size_ = 0;
  std::vector<std::int32_t> ids_;     // [capacity]
  std::vector<std::uint16_t> bytes_;  // [capacity]
  // merge_long() only. A token lies at the place of its first symbol; its number of symbols stands at
  // the places of its first and of its last one, so that both neighbours are found without links.
  // 32 bits: with any tables at all, also damaged ones, a token spans at most the run.
  std::vector<std::uint32_t> span_;  // [size_]
  std::vector<std::uint32_t> rank_;  // [size_] of the token here and the next one
  std::vector<std::uint64_t> heap_;  // rank << kPlaceBits | place of the left token
};

}  // namespace gemvec::tokenizer
