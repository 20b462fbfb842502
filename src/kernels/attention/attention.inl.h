// Attention over a vector type Vec and an operand type: what the numbers of a product are (fp32 here, bf16 in
// avx512bf16.cc) and how they are multiplied. Included after a simd header.
#pragma once

#include <cstring>

#include "kernels/attention/attention.h"
#include "kernels/gemm/tile.inl.h"
#include "kernels/simd/math.inl.h"

namespace gemvec::kernels {
namespace {

static_assert(kAttentionPanel % kTileColumns == 0);

// Keys of one step of the softmax. Its scores for a tile's 96 rows are 104 KB, its values for one tile of a
// product 16 KB (AVX2) or 32 KB (AVX-512), its keys likewise at head_dim 256: they stay in the level-1 and
// level-2 caches. Part of the order of summation, so the same for every instruction set.
constexpr std::size_t kKeyBlock = 256;
// Rows (a token's query head each) of one tile: a multiple of 12, 6 and 32, the rows of a product's tile.
// Keys and values come from memory once a tile.
constexpr std::size_t kQueryRows = 96;
// Floats between two rows of scratch beyond their number: rows that lie a power of two apart would compete
// for the same sets of the level-1 cache.
constexpr std::size_t kRowPadding = 16;
constexpr std::size_t kScoreStride = kKeyBlock + kRowPadding;

constexpr float kLowest = -3.4028235e38F;

struct KeyRange {
  std::size_t begin, end;

  bool empty() const { return begin >= end; }
  // What lies within `other`, or an empty range.
  KeyRange within(KeyRange other) const {
    return {begin > other.begin ? begin : other.begin, end < other.end ? end : other.end};
  }
};

// One product: C[R, kTileColumns] = or += A[R, k] * B[k, kTileColumns], with rows of B next to each other.
template <class Element>
struct ProductArgs {
  const Element* a;
  std::size_t lda;
  const Element* b;
  float* c;
  std::size_t ldc;
  std::size_t k;
  bool add;  // to what is in C
};

// Calls Operand::multiply<rows> for a row count known only at run time.
template <class Operand, int R = Vec::kTileRows>
void multiply_rows(std::size_t rows, const ProductArgs<typename Operand::Element>& args) {
  if (rows == R) {
    Operand::template multiply<R>(args);
  } else if constexpr (R > 1) {
    multiply_rows<Operand, R - 1>(rows, args);
  }
}

// What an operand of vectors is cut into: rows are dealt out evenly, see gemm/tile.inl.h.
struct EvenRows {
  static constexpr std::size_t kRows = Vec::kTileRows;  // of a product's tile, at most
  static std::size_t begin(std::size_t tile, std::size_t tiles, std::size_t rows) {
    return tile * rows / tiles;
  }
  // Registers that products of one tile of queries need set up.
  struct Registers {};
};

struct OperandF32 {
  using Element = float;
  using RowTiles = EvenRows;
  static constexpr std::size_t kPair = 1;   // steps of k that one instruction takes
  static constexpr std::size_t kSteps = 1;  // that one product takes a multiple of

  static void product(std::size_t rows, const ProductArgs<float>& args) {
    multiply_rows<OperandF32>(rows, args);
  }
  // Not inlined: it needs all registers for itself.
  template <int R>
  [[gnu::noinline]] static void multiply(const ProductArgs<float>& args) {
    Rows<float, R> rows(args.a, args.lda);
    Accumulators<R> sums;
    if (args.add) sums.load(args.c, args.ldc);
    const float* b = args.b;
    for (std::size_t p = 0; p < args.k; ++p, b += kTileColumns, rows.advance(1)) {
      Vec column[Vec::kTileRegs];
      for (int j = 0; j < Vec::kTileRegs; ++j) {
        column[j] = Vec::load(b + static_cast<std::size_t>(j) * Vec::kLanes);
      }
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) sums.add(r, Vec::set(*rows.at(r)), column);
    }
    sums.store(args.c, args.ldc);
  }

  // fp32 numbers as operands, where they lie; or nullptr if they must be converted.
  static const float* in_place(const float* x) { return x; }
  // Stores x as an operand and returns it as a product will see it.
  static Vec put(Vec x, float* to) {
    x.store(to);
    return x;
  }
  // kPair * kLanes numbers side by side, as words of kPair elements.
  static Vec words(const float* x) { return Vec::load(x); }
  // The words of kLanes columns in kPair rows, of which the first `rows` exist; the others are 0.
  static Vec join(const float* x, std::size_t, std::size_t rows) {
    return rows > 0 ? Vec::load(x) : Vec::zero();
  }
};

constexpr std::size_t padded_length(std::size_t length) {
  return (length + kAttentionPanel - 1) / kAttentionPanel * kAttentionPanel;
}

// The operand of a text, with n = its length rounded up to whole kAttentionPanel and w = kTileColumns: keys
// as the scores want them, then values,
//   fp32: V [head_dim / w][n][w]
//   bf16: V [head_dim / w][n / 2][w][2]
// so that each product of a tile reads its panel front to back: K^T over head_dim, V over keys. A panel is as
// wide as a tile, unlike in gemm.h: half of a wider one would lie in every other line and so in half of the
// level-1 cache's sets, which a block of 256 keys then fills to the last way.
template <class Operand, class Scores>
std::size_t operand_bytes(std::size_t length, std::size_t head_dim) {
  const std::size_t padded = padded_length(length);
  return Scores::keys_bytes(padded, head_dim) + padded * head_dim * sizeof(typename Operand::Element);
}

// Scores from queries and keys of the kind that weights and values are: one way to make them, see int8.inl.h
// for the other.
//   fp32: K [n / w][head_dim][w]
//   bf16: K [n / w][head_dim / 2][w][2]
template <class Operand>
class PlainScores {
  using Element = typename Operand::Element;

 public:
  static std::size_t keys_bytes(std::size_t padded, std::size_t head_dim) {
    return padded * head_dim * sizeof(Element);
  }
  // Bytes for the queries of a tile.
  static std::size_t scratch_bytes(std::size_t head_dim) {
    return kQueryRows * (head_dim + kRowPadding) * sizeof(Element);
  }

  // The keys of kAttentionPanel positions from args.first + row on; `keys` are those of the text.
  static void pack(const AttentionPackArgs& args, std::size_t row, std::byte* keys) {
    for (const std::size_t end = row + kAttentionPanel; row < end; row += kTileColumns) {
      std::byte* to = keys + keys_bytes(args.first + row, args.head_dim);
      pack_keys(args, row, reinterpret_cast<float*>(to));
    }
  }

  // Rows a constant distance apart, as operands: where they are, or else in `copy`, [kQueryRows, head_dim].
  void load(const AttentionArgs& args, const float* q, std::size_t rows, void* copy) {
    head_dim_ = stride_ = args.head_dim;
    queries_ = Operand::in_place(q);
    if (queries_ != nullptr && args.ldq == args.heads * args.head_dim) return;
    auto* to = static_cast<Element*>(copy);
    queries_ = to;
    stride_ += kRowPadding;
    for (std::size_t row = 0; row < rows; ++row, to += stride_) {
      const float* from = q + row / args.heads * args.ldq + row % args.heads * args.head_dim;
      for (std::size_t i = 0; i < head_dim_; i += Vec::kLanes) Operand::put(Vec::load(from + i), to + i);
    }
  }

  // to[rows, kTileColumns], kScoreStride apart: of rows first .. first + rows - 1 and the keys from `key` on.
  void multiply(std::size_t first, std::size_t rows, const std::byte* keys, std::size_t key,
                float* to) const {
    const auto* panel = reinterpret_cast<const Element*>(keys + keys_bytes(key, head_dim_));
    Operand::product(rows, {queries_ + first * stride_, stride_, panel, to, kScoreStride, head_dim_, false});
  }

 private:
  // Both are read here as words of 32 bits, which are kPair elements: a panel of keys is the transpose of its
  // rows' words.
  static void pack_keys(const AttentionPackArgs& args, std::size_t first_row, float* to) {
    for (std::size_t part = 0; part < args.head_dim; part += Operand::kPair * Vec::kLanes) {
      for (std::size_t key = 0; key < kTileColumns; key += Vec::kLanes) {
        Vec words[Vec::kLanes];
        for (std::size_t i = 0; i < Vec::kLanes; ++i) {
          const std::size_t row = first_row + key + i;
          words[i] = row < args.count ? Operand::words(args.k + row * args.ldk + part) : Vec::zero();
        }
        Vec::transpose(words);
        for (std::size_t i = 0; i < Vec::kLanes; ++i) {
          words[i].store(to + (part / Operand::kPair + i) * kTileColumns + key);
        }
      }
    }
  }

  const Element* queries_ = nullptr;  // [kQueryRows, head_dim]
  std::size_t head_dim_ = 0;
  std::size_t stride_ = 0;  // elements from one query to the next
};

// One panel's worth of positions for every panel of values; `to` is the first one's place for them.
template <class Operand>
void pack_values(const AttentionPackArgs& args, std::size_t first_row, float* to, std::size_t panel_words) {
  for (std::size_t column = 0; column < args.head_dim; column += kTileColumns, to += panel_words) {
    for (std::size_t i = 0; i < kTileColumns; i += Operand::kPair) {
      const std::size_t row = first_row + i;
      const std::size_t rows = row < args.count ? args.count - row : 0;
      const float* from = args.v + (rows > 0 ? row * args.ldv + column : 0);
      float* words = to + i / Operand::kPair * kTileColumns;
      for (std::size_t j = 0; j < kTileColumns; j += Vec::kLanes) {
        Operand::join(from + j, args.ldv, rows).store(words + j);
      }
    }
  }
}

template <class Operand, class Scores>
void pack(const AttentionPackArgs& args) {
  const std::size_t padded = padded_length(args.length);
  auto* const keys = static_cast<std::byte*>(args.operand);
  auto* const values = reinterpret_cast<float*>(keys + Scores::keys_bytes(padded, args.head_dim));
  const std::size_t rows = padded_length(args.count);
  for (std::size_t row = 0; row < rows; row += kAttentionPanel) Scores::pack(args, row, keys);
  for (std::size_t row = 0; row < rows; row += kTileColumns) {
    const std::size_t words = (args.first + row) / Operand::kPair;
    pack_values<Operand>(args, row, values + words * kTileColumns, padded / Operand::kPair * kTileColumns);
  }
}

// Lanes of x at i .. i + kLanes - 1 that are out of `range` become `other`.
inline Vec keep(Vec x, std::size_t i, KeyRange range, float other) {
  const std::size_t begin = range.begin > i ? range.begin - i : 0;
  const std::size_t end = range.end - i < Vec::kLanes ? range.end - i : Vec::kLanes;
  return Vec::keep(x, begin, end, other);
}

// A tile of queries on its way along the keys.
template <class Operand, class Scores>
class QueryTile {
  using Element = typename Operand::Element;
  using RowTiles = typename Operand::RowTiles;
  static constexpr std::size_t kRowTiles = (kQueryRows + RowTiles::kRows - 1) / RowTiles::kRows;

 public:
  static std::size_t scratch_bytes(std::size_t head_dim) {
    return kQueryRows *
               ((head_dim + kRowPadding + kScoreStride) * sizeof(float) + kScoreStride * sizeof(Element)) +
           Scores::scratch_bytes(head_dim);
  }

  // Queries first .. first + tokens - 1 of `args`. REQUIRES: tokens * heads <= kQueryRows
  QueryTile(const AttentionArgs& args, std::size_t first, std::size_t tokens)
      : args_(args),
        first_(first),
        rows_(tokens * args.heads),
        tiles_((rows_ + RowTiles::kRows - 1) / RowTiles::kRows),
        reach_(args.reach < args.length ? args.reach : args.length),
        stride_(args.head_dim + kRowPadding),
        keys_(static_cast<const std::byte*>(args.operand)),
        values_(reinterpret_cast<const Element*>(
            keys_ + Scores::keys_bytes(padded_length(args.length), args.head_dim))),
        mix_(static_cast<float*>(args.scratch)),
        scores_(mix_ + kQueryRows * stride_),
        weights_(reinterpret_cast<Element*>(scores_ + kQueryRows * kScoreStride)) {
    for (std::size_t i = 0; i < tiles_; ++i) {
      const std::size_t begin = RowTiles::begin(i, tiles_, rows_);
      const std::size_t end = RowTiles::begin(i + 1, tiles_, rows_);
      row_tiles_[i] = {begin, end, {seen(begin).begin, seen(end - 1).end}, false};
    }
  }

  void run() {
    for (std::size_t row = 0; row < rows_; ++row) {
      top_[row] = kLowest;
      sum_[row] = 0;
    }
    queries_.load(args_, args_.q + (first_ - args_.first) * args_.ldq, rows_,
                  weights_ + kQueryRows * kScoreStride);
    [[maybe_unused]] const typename RowTiles::Registers registers;
    const KeyRange all = {seen(0).begin, seen(rows_ - 1).end};
    for (std::size_t begin = all.begin / kKeyBlock * kKeyBlock; begin < all.end; begin += kKeyBlock) {
      const KeyRange block = {begin, begin + kKeyBlock};
      score(block, all);
      for (std::size_t i = 0; i < tiles_; ++i) {
        const RowTile& tile = row_tiles_[i];
        if (tile.keys.within(block).empty()) continue;
        for (std::size_t row = tile.begin; row < tile.end; ++row) soften(row, tile, block);
      }
      mix(block);
    }
    finish();
  }

 private:
  // Rows of one tile of a product.
  struct RowTile {
    std::size_t begin, end;
    KeyRange keys;  // that at least one of the rows sees
    bool started;   // its mix holds something
  };

  // Keys that a row sees. A later row sees none that lies before an earlier one's.
  KeyRange seen(std::size_t row) const {
    const std::size_t position = first_ + row / args_.heads;
    const KeyRange window = {position > reach_ ? position - reach_ : 0, position + reach_ + 1};
    return window.within({0, args_.length});
  }

  // scores = Q K^T, where a tile of rows can see a tile of columns.
  void score(KeyRange block, KeyRange all) {
    const KeyRange keys = all.within(block);
    for (std::size_t key = keys.begin / kTileColumns * kTileColumns; key < keys.end; key += kTileColumns) {
      for (std::size_t i = 0; i < tiles_; ++i) {
        const RowTile& tile = row_tiles_[i];
        if (tile.keys.within({key, key + kTileColumns}).empty()) continue;
        queries_.multiply(tile.begin, tile.end - tile.begin, keys_, key,
                          scores_ + tile.begin * kScoreStride + (key - block.begin));
      }
    }
  }

  // The part of a block that a tile of rows mixes, counted from the block's beginning, in whole steps.
  static KeyRange mixed(const RowTile& tile, KeyRange block) {
    const KeyRange keys = tile.keys.within(block);
    return {(keys.begin - block.begin) / Operand::kSteps * Operand::kSteps,
            (keys.end - block.begin + Operand::kSteps - 1) / Operand::kSteps * Operand::kSteps};
  }

  // A row's scores become weights e^(score - top), 0 for keys that it does not see.
  void soften(std::size_t row, const RowTile& tile, KeyRange block) {
    const float* scores = scores_ + row * kScoreStride;
    Element* weights = weights_ + row * kScoreStride;
    const KeyRange whole = mixed(tile, block);
    KeyRange range = seen(row).within(block);
    if (range.empty()) {
      std::memset(weights + whole.begin, 0, (whole.end - whole.begin) * sizeof(Element));
      return;
    }
    range = {range.begin - block.begin, range.end - block.begin};
    const std::size_t begin = range.begin / Vec::kLanes * Vec::kLanes;

    Vec highest = Vec::set(kLowest);
    for_vectors(range, [&](std::size_t i, auto&& seen_lanes) {
      highest = Vec::max(highest, seen_lanes(Vec::load(scores + i), kLowest));
    });
    lift_top(row, tile, Vec::max_lane(highest));

    const Vec top = Vec::set(top_[row]);
    Vec sum = Vec::zero();
    std::size_t end = begin;
    for_vectors(range, [&](std::size_t i, auto&& seen_lanes) {
      sum = sum + Operand::put(seen_lanes(exp(Vec::load(scores + i) - top), 0.0F), weights + i);
      end = i + Vec::kLanes;
    });
    sum_[row] += Vec::sum(sum);
    for (std::size_t i = whole.begin; i < begin; ++i) weights[i] = 0;
    for (std::size_t i = end; i < whole.end; ++i) weights[i] = 0;
  }

  // Calls body(i, mask) for every vector that has a part in `range`, in ascending order; mask(x, other)
  // replaces the lanes out of range.
  template <class Body>
  static void for_vectors(KeyRange range, Body&& body) {
    const auto all = [](Vec x, float) { return x; };
    std::size_t i = range.begin / Vec::kLanes * Vec::kLanes;
    if (i < range.begin) {
      body(i, [&](Vec x, float other) { return keep(x, i, range, other); });
      i += Vec::kLanes;
    }
    for (; i + Vec::kLanes <= range.end; i += Vec::kLanes) body(i, all);
    if (i < range.end) body(i, [&](Vec x, float other) { return keep(x, i, range, other); });
  }

  // The highest score so far is at least `score`; what was summed under a lower one is scaled down. (A
  // product of bf16 takes a subnormal sum for 0. It makes no difference whether a masked key's does so first:
  // the key that has this score follows in this block, in any tile.)
  void lift_top(std::size_t row, const RowTile& tile, float score) {
    if (!(score > top_[row])) return;
    if (tile.started) {
      const Vec factor = exp(Vec::set(top_[row]) - Vec::set(score));
      float* mix = mix_ + row * stride_;
      for (std::size_t i = 0; i < args_.head_dim; i += Vec::kLanes) {
        (Vec::load(mix + i) * factor).store(mix + i);
      }
      float lanes[Vec::kLanes];
      factor.store(lanes);
      sum_[row] *= lanes[0];
    }
    top_[row] = score;
  }

  // mix += P V, over the keys that a tile of rows sees.
  void mix(KeyRange block) {
    const std::size_t padded = padded_length(args_.length);
    for (std::size_t column = 0; column < args_.head_dim; column += kTileColumns) {
      const Element* panel = values_ + column * padded + block.begin * kTileColumns;
      for (std::size_t i = 0; i < tiles_; ++i) {
        const RowTile& tile = row_tiles_[i];
        if (tile.keys.within(block).empty()) continue;
        const KeyRange keys = mixed(tile, block);
        Operand::product(tile.end - tile.begin,
                         {weights_ + tile.begin * kScoreStride + keys.begin, kScoreStride,
                          panel + keys.begin * kTileColumns, mix_ + tile.begin * stride_ + column, stride_,
                          keys.end - keys.begin, tile.started});
      }
    }
    for (std::size_t i = 0; i < tiles_; ++i) {
      if (!row_tiles_[i].keys.within(block).empty()) row_tiles_[i].started = true;
    }
  }

  void finish() {
    for (std::size_t row = 0; row < rows_; ++row) {
      const std::size_t token = first_ - args_.first + row / args_.heads;
      const float* mix = mix_ + row * stride_;
      float* out = args_.out + token * args_.ldo + row % args_.heads * args_.head_dim;
      const Vec factor = Vec::set(1.0F / sum_[row]);
      // + 0 makes 0 of -0: the sign of a sum that underflowed could tell whether a masked key was added to
      // it.
      for (std::size_t i = 0; i < args_.head_dim; i += Vec::kLanes) {
        (Vec::load(mix + i) * factor + Vec::zero()).store(out + i);
      }
    }
  }

  const AttentionArgs& args_;
  const std::size_t first_;
  const std::size_t rows_;   // tokens * heads
  const std::size_t tiles_;  // of rows
  const std::size_t reach_;
  const std::size_t stride_;  // elements from one row of mix to the next
  const std::byte* const keys_;
  const Element* const values_;
  float* const mix_;        // [kQueryRows, head_dim] sum of p[j] v[j] so far
  float* const scores_;     // [kQueryRows, kKeyBlock] of the block at hand
  Element* const weights_;  // [kQueryRows, kKeyBlock] p[j] of the block at hand
  Scores queries_;
  float top_[kQueryRows];  // highest score so far
  float sum_[kQueryRows];  // of p[j] so far
  RowTile row_tiles_[kRowTiles];
};

template <class Operand, class Scores>
void attend(const AttentionArgs& args) {
  const std::size_t most = kQueryRows / args.heads;
  const std::size_t tiles = (args.tokens + most - 1) / most;
  for (std::size_t i = 0; i < tiles; ++i) {
    const std::size_t begin = i * args.tokens / tiles;
    const std::size_t end = (i + 1) * args.tokens / tiles;
    QueryTile<Operand, Scores>(args, args.first + begin, end - begin).run();
  }
}

template <class Operand, class Scores = PlainScores<Operand>>
constexpr AttentionKernel kAttentionKernel = {
    .operand_bytes = operand_bytes<Operand, Scores>,
    .scratch_bytes = QueryTile<Operand, Scores>::scratch_bytes,
    .pack = pack<Operand, Scores>,
    .attend = attend<Operand, Scores>,
};

}  // namespace
}  // namespace gemvec::kernels
