// The weights as the kernels read them: one block of memory, laid out by PackedLayout, and typed views
// into it. The block may be a mapped cache file or private memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "base/thread_pool.h"
#include "gemvec/result.h"
#include "kernels/table.h"
#include "model/config.h"
#include "model/raw_weights.h"
#include "model/rope_tables.h"

namespace gemvec::model {

// How the numbers of one matrix are kept.
enum class Encoding {
  kF32,
  kBf16,  // pairs of bf16: kernels/gemm/gemm.h
  kInt8,  // codes and scales: kernels/gemm_int8/gemm_int8.h
  kInt6,
  kInt4,
};

// Is it multiplied as int8 codes?
constexpr bool has_codes(Encoding encoding) {
  return encoding == Encoding::kInt8 || encoding == Encoding::kInt6 || encoding == Encoding::kInt4;
}

// How a row of the embedding table is kept: model/embedding_row.h.
enum class RowEncoding {
  kSource,  // not in the block: it is read from the source when a text needs it
  kBf16,
  kInt6,
  kInt4,      // on a trellis, or on an even grid where the numbers stand on one
  kChannel4,  // one step for the whole row: the grid of checkpoints that were trained for it
};

// A set of packed weights.
enum class WeightType {
  kF32,
  kBf16,
  kQ8,
  kQ4,
  kMixed,
  // With the embedding table in the block as well, in bf16: for files that stand alone.
  kBf16Whole,
  kQ8Whole,
};

std::string_view name_of(WeightType type);  // "fp32", "bf16", "q8", "q4", "mixed"

// Which encoding each matrix has. docs/quantization.md says why.
struct Recipe {
  Encoding query_key, value, output, gate_up, down;
  RowEncoding embedding;  // of the table's rows
  RowEncoding frequent;   // of those for ids that occur often; kSource where `embedding` is, and only there
  bool round_to_bf16;     // the source is rounded to bf16 first
  bool calibrated;        // codes regard the inputs and get a bias: model/calibrate.h
  bool int8_scores = false;  // attention's scores from codes too, see model/attention.h
  // One scale for all of an output's weights, no rotation, 4 bits in the dense layers too: the grid of
  // checkpoints that were trained for it.
  bool per_channel = false;

  static Recipe of(WeightType type);
  // For packing. Codes are made of the numbers as the source has them, but of the release's own in fp32:
  // these are rounded to bf16 first, as its ONNX files are, and its vectors are theirs (docs/decisions/0025).
  static Recipe of(WeightType type, const RawWeights& source);
};

// A linear layer's matrix, packed into panels of 32 outputs.
struct PackedLinear {
  const std::byte* data = nullptr;
  Encoding encoding = Encoding::kF32;
  std::size_t outputs = 0;  // n, multiple of 32
  std::size_t inputs = 0;   // k

  [[nodiscard]] std::size_t panels() const;
  [[nodiscard]] std::size_t panel_bytes() const;
  [[nodiscard]] std::size_t bytes() const { return panels() * panel_bytes(); }
};

using kernels::group_of;

struct PackedLayer {
  // 1 + w of each norm. q_norm also carries the attention scale, 1/16 in the release: a power of two,
  // so that the products keep their bits.
  const float* input_norm = nullptr;           // [width]
  const float* post_attention_norm = nullptr;  // [width]
  const float* pre_ffn_norm = nullptr;         // [width]
  const float* post_ffn_norm = nullptr;        // [width]
  const float* q_norm = nullptr;               // [head_dim]
  const float* k_norm = nullptr;               // [head_dim]
  PackedLinear query_key;                      // width -> q heads | k
  PackedLinear value;                          // width -> v
  PackedLinear output;                         // query_width -> width
  PackedLinear gate_up;                        // width -> 32 of gate, 32 of up, 32 of gate, ...
  PackedLinear down;                           // ffn -> width
};

struct Weights {
  Config config;
  WeightType type = WeightType::kF32;
  RawTensor source_embedding;            // [vocab, width], for Recipe::embedding of kSource
  const std::byte* embedding = nullptr;  // [vocab] rows of model/embedding.h, for the others
  // The file that the table's bytes are mapped from: its rows are then copied out of the file. Null: they are
  // read where they lie.
  const base::MappedFile* embedding_file = nullptr;
  std::vector<PackedLayer> layers;
  const float* final_norm = nullptr;  // [width], 1 + w
  PackedLinear head;                  // width -> width, fp32 always: dense3 * dense2
  RopeTable rope_full, rope_sliding;
};

// Where everything lies in the packed block, in bytes from its start. Every part is 64-byte aligned.
struct PackedLayout {
  struct Layer {
    std::size_t input_norm, post_attention_norm, pre_ffn_norm, post_ffn_norm, q_norm, k_norm, query_key,
        value, output, gate_up, down;
  };
  std::vector<Layer> layers;
  std::size_t final_norm = 0, head = 0;
  std::size_t embedding = 0;
  // The first verified_bytes are hashed when the block is opened. What follows, the embedding table, carries
  // a check for each row, which is looked at when the row is read: most rows are never touched.
  std::size_t verified_bytes = 0;
  std::size_t bytes = 0;

  static PackedLayout of(const Config& config, WeightType type);
};

// The product of the instruction set for codes of this encoding. REQUIRES: has_codes(encoding).
inline kernels::GemmInt8Fn int8_kernel(const kernels::GemmInt8Kernels& kernels, Encoding encoding) {
  return encoding == Encoding::kInt8   ? kernels.int8
         : encoding == Encoding::kInt6 ? kernels.int6
                                       : kernels.int4;
}

// Texts that calibration measures over, beside its own: [offsets.back()] ids, text i from offsets[i] to
// offsets[i + 1].
struct CalibrationTexts {
  std::vector<std::int32_t> ids;
  std::vector<std::size_t> offsets = {0};
};

// Fills `block` (layout.bytes, 64-byte aligned). `texts` may be null. progress(done, total) in
// bytes may be empty; it is called from the calling thread. Errors: kIo (out of memory), kBadFormat (a number
// that is not finite; names the part, not the file).
Status pack_weights(const Config& config, const RawWeights& raw, WeightType type,
                    const kernels::KernelTable& kernels, base::ThreadPool& pool, std::span<std::byte> block,
                    const std::function<void(std::uint64_t, std::uint64_t)>& progress,
                    const CalibrationTexts* texts = nullptr);

// Views into a packed block and the tables, which must outlive them. `embedding` stays where it is, and
// embedding_file is null.
Weights view_weights(const Config& config, WeightType type, const RawTensor& embedding,
                     const RopeTables& rope, std::span<const std::byte> block);

// Row `row` of a raw matrix as fp32: out[cols]. round_to_bf16 rounds each value to nearest even first.
void read_row(const RawTensor& tensor, std::size_t row, bool round_to_bf16, float* out);

}  // namespace gemvec::model
