// The source's tensors one by one, under their names, and their rows as other numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "convert/job.h"
#include "convert/output.h"
#include "gemvec/result.h"
#include "model/raw_weights.h"
#include "source/model_source.h"

namespace gemvec::convert {

enum class Role {
  kTable,   // the embedding table [vocab, width]
  kNorm,    // [1, width] or [1, head_dim]
  kLinear,  // [out, in]
  kDense2,
  kDense3,
};

struct SourceTensor {
  std::string name;       // in the safetensors release: "layers.0.mlp.up_proj.weight"
  std::string gguf_name;  // "blk.0.ffn_up.weight"
  Role role = Role::kLinear;
  const model::RawTensor* raw = nullptr;
};

// All of them: the table, layer by layer in the order of kLayerTensors, the final norm, the dense layers if
// there are any. Valid as long as the source.
std::vector<SourceTensor> list_tensors(const source::ModelSource& source);

struct LayerTensor {
  const char* name;
  const char* gguf_name;
  Role role;
  model::RawTensor model::RawLayer::*tensor;
};
// A layer's tensors. The norms come first, in the order of `gemvec.norm_weights` in a GGUF file.
inline constexpr LayerTensor kLayerTensors[] = {
    {"input_layernorm", "attn_norm", Role::kNorm, &model::RawLayer::input_norm},
    {"post_attention_layernorm", "post_attention_norm", Role::kNorm, &model::RawLayer::post_attention_norm},
    {"pre_feedforward_layernorm", "ffn_norm", Role::kNorm, &model::RawLayer::pre_ffn_norm},
    {"post_feedforward_layernorm", "post_ffw_norm", Role::kNorm, &model::RawLayer::post_ffn_norm},
    {"self_attn.q_norm", "attn_q_norm", Role::kNorm, &model::RawLayer::q_norm},
    {"self_attn.k_norm", "attn_k_norm", Role::kNorm, &model::RawLayer::k_norm},
    {"self_attn.q_proj", "attn_q", Role::kLinear, &model::RawLayer::q},
    {"self_attn.k_proj", "attn_k", Role::kLinear, &model::RawLayer::k},
    {"self_attn.v_proj", "attn_v", Role::kLinear, &model::RawLayer::v},
    {"self_attn.o_proj", "attn_output", Role::kLinear, &model::RawLayer::o},
    {"mlp.gate_proj", "ffn_gate", Role::kLinear, &model::RawLayer::gate},
    {"mlp.up_proj", "ffn_up", Role::kLinear, &model::RawLayer::up},
    {"mlp.down_proj", "ffn_down", Role::kLinear, &model::RawLayer::down},
};

// What a row of fp32 numbers becomes.
struct RowEncoding {
  std::size_t bytes = 0;  // of a row
  // Larger magnitudes have no place in it.
  float limit = 0;
  // Of row `row`, with the tensor's number of columns. Called from several threads, for other rows each.
  std::function<void(std::size_t row, const float* x, std::byte* out)> encode;
};

// All rows in order, as they lie in memory: out[rows * encoding.bytes].
// Errors: kBadFormat (numbers that are not finite, or beyond the limit), kCancelled.
Result<std::vector<std::byte>> encode_tensor(const SourceTensor& tensor, const RowEncoding& encoding,
                                             Job& job);
// The same into a file, some rows at a time. Errors: also kIo.
Status write_tensor(const SourceTensor& tensor, const RowEncoding& encoding, Job& job, OutputFile& out);

// fp32 numbers as they are.
RowEncoding fp32_rows(std::size_t cols);
RowEncoding bf16_rows(std::size_t cols);

enum class NormForm {
  kWeight,        // w
  kOnePlusWeight  // 1 + w: what the computation multiplies by
};

// The numbers of a norm. A source that has 1 + w gives w as (1 + w) - 1: where 1 + w is below one half,
// adding 1 again may give another number in its last bit. Errors: kBadFormat (numbers that are not finite).
Result<std::vector<float>> read_norm(const SourceTensor& tensor, const source::ModelSource& source,
                                     NormForm form);

}  // namespace gemvec::convert
