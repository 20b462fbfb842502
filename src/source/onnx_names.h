// What the names of tensors in ONNX files say, if anything.
#pragma once

#include <cstddef>
#include <string_view>

namespace gemvec::source {

enum class OnnxRole {
  kQ,
  kK,
  kV,
  kO,
  kGate,
  kUp,
  kDown,
  kInputNorm,
  kPostAttentionNorm,
  kPreFfnNorm,
  kPostFfnNorm,
  kQNorm,
  kKNorm,
};

std::string_view name_of(OnnxRole role);  // "q_proj", "input_layernorm"

// The name has another layer's number or another role in it, as in
// "model.layers.3.attn.q_proj.MatMul.weight". Most names say nothing ("onnx::MatMul_123"), and do not
// contradict.
bool contradicts(std::string_view name, OnnxRole role, std::size_t layer);

}  // namespace gemvec::source
