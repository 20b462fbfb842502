// Scores from codes of 8 bits: queries and keys are rotated and rounded as kernels/quantize does, and
// multiplied as kernels/gemm_int8 does. Weights and values stay what they are. Included after attention.inl.h
// and a Dot of gemm_int8's.
//
// Half of attention's multiplications take half of bf16's time or a quarter of fp32's. It costs little
// exactness: q and k come out of products of codes themselves, with as large an error, and a score's error
// moves a text's vector less than one in any other place (docs/quantization.md).
#pragma once

#include "kernels/attention/attention.inl.h"
#include "kernels/gemm_int8/tile.inl.h"
#include "kernels/quantize/quantize.inl.h"

namespace gemvec::kernels {
namespace {

// A panel of keys is a panel of weights without its bias, as kernels/gemm_int8/gemm_int8.h describes it, with
//   scale = scale of the key's codes / group
// because a rotation without a scale is applied to both sides.
class Int8Scores {
  using Code = Dot::Code;
  static_assert(sizeof(Code) == 1 && kPanel == kAttentionPanel);
  static_assert(kInt8TileColumns == kTileColumns);

  // Bytes between two queries' codes beyond their number, for the sake of the level-1 cache's sets.
  static constexpr std::size_t kCodePadding = 64;
  static constexpr float kNoBias[kPanel] = {};

 public:
  static std::size_t keys_bytes(std::size_t padded, std::size_t head_dim) {
    return padded / kPanel * panel_bytes(head_dim);
  }
  static std::size_t scratch_bytes(std::size_t head_dim) {
    return kQueryRows * (head_dim + kCodePadding + head_dim / group_of(head_dim) * sizeof(RowGroup));
  }

  static void pack(const AttentionPackArgs& args, std::size_t row, std::byte* keys) {
    const std::size_t group = group_of(args.head_dim);
    std::byte* panel = keys + keys_bytes(args.first + row, args.head_dim);
    auto* scales = reinterpret_cast<float*>(panel + panel_codes_int8(args.head_dim));
    for (std::size_t i = 0; i < args.head_dim; i += group, scales += kPanel) {
      for (std::size_t key = 0; key < kPanel; key += Vec::kLanes) {
        pack_group(args, row + key, i, group, panel + i * kPanel + key * 4, scales + key);
      }
    }
  }

  void load(const AttentionArgs& args, const float* q, std::size_t rows, void* copy) {
    head_dim_ = args.head_dim;
    group_ = group_of(head_dim_);
    stride_ = head_dim_ + kCodePadding;
    auto* codes = static_cast<Code*>(copy);
    auto* groups = reinterpret_cast<RowGroup*>(codes + kQueryRows * stride_);
    codes_ = codes;
    groups_ = groups;
    for (std::size_t row = 0; row < rows; ++row) {
      const float* from = q + row / args.heads * args.ldq + row % args.heads * head_dim_;
      quantize_row<Code, true>(from, head_dim_, group_, codes + row * stride_,
                               groups + row * (head_dim_ / group_));
    }
  }

  void multiply(std::size_t first, std::size_t rows, const std::byte* keys, std::size_t key,
                float* to) const {
    const std::byte* panel = keys + keys_bytes(key, head_dim_);
    const std::size_t column = key % kPanel, ldg = head_dim_ / group_;
    const TileB b = {panel + column * 4, Dot::kStepBytes8,
                     floats_at(panel, panel_codes_int8(head_dim_), column), kNoBias};
    const RowsInt8<Code> at = {
        codes_ + first * stride_, stride_, groups_ + first * ldg, ldg, to, kScoreStride, head_dim_, group_};
    Ahead nothing(panel, 0);
    multiply_rows<Dot>(at, rows, b, nothing);
  }

 private:
  static std::size_t panel_bytes(std::size_t head_dim) {
    return panel_codes_int8(head_dim) + panel_scales(head_dim, group_of(head_dim));
  }

  // One group of kLanes keys: four steps of a key's codes are a word, of which the panel has the transpose.
  static void pack_group(const AttentionPackArgs& args, std::size_t first_row, std::size_t first,
                         std::size_t group, std::byte* to, float* scales) {
    constexpr std::size_t kLanes = Vec::kLanes;
    alignas(64) Code codes[kLanes][kMaxGroup] = {};
    for (std::size_t i = 0; i < kLanes; ++i) {
      const std::size_t row = first_row + i;
      RowGroup sums;
      if (row < args.count) {
        quantize_row<Code, true>(args.k + row * args.ldk + first, group, group, codes[i], &sums);
      }
      scales[i] = sums.scale / static_cast<float>(group);
      // code + 128
      for (Code& code : codes[i]) code = static_cast<Code>(code ^ -128);
    }
    for (std::size_t word = 0; word < group / 4; word += kLanes) {
      Vec words[kLanes];
      for (std::size_t i = 0; i < kLanes; ++i) {
        words[i] = Vec::load(reinterpret_cast<const float*>(codes[i] + word * 4));
      }
      Vec::transpose(words);
      for (std::size_t i = 0; i < kLanes && word + i < group / 4; ++i) {
        words[i].store(reinterpret_cast<float*>(to + (word + i) * kPanel * 4));
      }
    }
  }

  const Code* codes_ = nullptr;       // [kQueryRows, head_dim]
  const RowGroup* groups_ = nullptr;  // [kQueryRows, head_dim / group]
  std::size_t head_dim_ = 0, group_ = 0;
  std::size_t stride_ = 0;  // codes from one query to the next
};

}  // namespace
}  // namespace gemvec::kernels
