// Byte-pair merges: a scan for the usual short run, a heap for a long one.
#include "tokenizer/merge.h"

#include <algorithm>
#include <array>
#include <functional>

namespace gemvec::tokenizer {

namespace {

// Up to here looking at all pairs again after each merge is faster than a heap. Words have 2 to 10
// symbols; the ranks of 64 are four cache lines.
constexpr std::size_t kShortRun = 64;

constexpr unsigned kPlaceBits = 64 - kRankBits;

}  // namespace

void SymbolRun::grow() {
  const std::size_t capacity = std::max<std::size_t>(kShortRun, ids_.size() * 2);
  ids_.resize(capacity);
  bytes_.resize(capacity);
}

void SymbolRun::merge() {
  if (size_ < 2) return;
  if (size_ <= kShortRun) {
    merge_short();
  } else {
    merge_long();
  }
}

void SymbolRun::merge_short() {
  std::int32_t* ids = ids_.data();
  std::uint16_t* bytes = bytes_.data();
  std::size_t pairs = size_ - 1;
  std::array<std::uint32_t, kShortRun> rank;  // [pairs] of ids[i] and ids[i + 1]
  for (std::size_t i = 0; i < pairs; ++i) rank[i] = tables_->pairs.find(ids[i], ids[i + 1]);
  while (pairs > 0) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < pairs; ++i) best = rank[i] < rank[best] ? i : best;
    if (rank[best] == kNoMerge) break;
    ids[best] = tables_->merged[rank[best]];
    bytes[best] = static_cast<std::uint16_t>(bytes[best] + bytes[best + 1]);
    for (std::size_t i = best + 1; i < pairs; ++i) {
      ids[i] = ids[i + 1];
      bytes[i] = bytes[i + 1];
      rank[i - 1] = rank[i];
    }
    --pairs;
    if (best > 0) rank[best - 1] = tables_->pairs.find(ids[best - 1], ids[best]);
    if (best < pairs) rank[best] = tables_->pairs.find(ids[best], ids[best + 1]);
  }
  size_ = pairs + 1;
}

// The heap need not know every pair: the one to join next has a lower rank than both pairs that overlap
// it (or the same rank as the one on its right), so it is enough to keep the pairs of which that is true.
// That is at most every other pair, and of a long run of one letter only a few.
bool SymbolRun::is_lowest_nearby(std::size_t place) const {
  const std::uint32_t rank = rank_[place];
  if (rank == kNoMerge) return false;
  if (place > 0 && rank_[before(place)] <= rank) return false;
  return rank <= rank_[after(place)];
}

void SymbolRun::offer(std::size_t place) {
  if (!is_lowest_nearby(place)) return;
  heap_.push_back(std::uint64_t{rank_[place]} << kPlaceBits | place);
  std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
}

// Joins the pair at `place` and offers each pair that has thereby become the lowest nearby: the two that
// changed, and the two beside them if it was the old rank of the changed one that held them back.
void SymbolRun::join(std::size_t place) {
  const std::size_t right = after(place), next = after(right);
  const std::uint32_t old_next_rank = rank_[right];
  const std::uint32_t span = span_[place] + span_[right];
  ids_[place] = tables_->merged[rank_[place]];
  bytes_[place] = static_cast<std::uint16_t>(bytes_[place] + bytes_[right]);
  span_[place] = span;
  span_[place + span - 1] = span;
  rank_[right] = kNoMerge;
  rank_[place] = next < size_ ? tables_->pairs.find(ids_[place], ids_[next]) : kNoMerge;
  if (place > 0) {
    const std::size_t left = before(place);
    const std::uint32_t old_left_rank = rank_[left];
    rank_[left] = tables_->pairs.find(ids_[left], ids_[place]);
    offer(left);
    if (left > 0 && old_left_rank < rank_[before(left)]) offer(before(left));
  }
  offer(place);
  if (next < size_ && old_next_rank <= rank_[next]) offer(next);
}

void SymbolRun::merge_long() {
  span_.assign(size_, 1);
  rank_.resize(size_);
  for (std::size_t i = 0; i + 1 < size_; ++i) rank_[i] = tables_->pairs.find(ids_[i], ids_[i + 1]);
  rank_[size_ - 1] = kNoMerge;
  heap_.clear();
  for (std::size_t i = 0; i < size_; ++i) {
    if (is_lowest_nearby(i)) heap_.push_back(std::uint64_t{rank_[i]} << kPlaceBits | i);
  }
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const std::uint64_t entry = heap_.back();
    heap_.pop_back();
    const std::size_t place = entry & ((std::uint64_t{1} << kPlaceBits) - 1);
    // Since this entry was made, either token may have become part of another. A rank names its pair,
    // so an equal rank means that both are still there.
    if (rank_[place] == entry >> kPlaceBits) join(place);
  }
  std::size_t tokens = 0;
  for (std::size_t at = 0; at < size_; at = after(at), ++tokens) {
    ids_[tokens] = ids_[at];
    bytes_[tokens] = bytes_[at];
  }
  size_ = tokens;
}

}  // namespace gemvec::tokenizer
