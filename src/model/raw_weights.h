// The weights as they lie in the source file, before packing. Views: the files stay mapped elsewhere.
#pragma once

#include <cstddef>
#include <vector>

namespace gemvec::model {

enum class RawType { kF32, kBf16, kF16 };

// A matrix [rows, cols], row-major, little-endian, of a checked size; data may be unaligned.
struct RawTensor {
  RawType type = RawType::kF32;
  std::size_t rows = 0, cols = 0;  // a vector has rows = 1
  const std::byte* data = nullptr;
};

// Linear layers are [out, in], as in the safetensors release: y = x W^T. Norm weights w are without the
// 1 of (1 + w).
struct RawLayer {
  RawTensor input_norm, post_attention_norm, pre_ffn_norm, post_ffn_norm;  // [1, width]
  RawTensor q_norm, k_norm;                                                // [1, head_dim]
  RawTensor q;                                                             // [heads * head_dim, width]
  RawTensor k, v;                                                          // [head_dim, width]
  RawTensor o;                                                             // [width, heads * head_dim]
  RawTensor gate, up;                                                      // [ffn, width]
  RawTensor down;                                                          // [width, ffn]
};

struct RawWeights {
  RawTensor embedding;  // [vocab, width]
  std::vector<RawLayer> layers;
  RawTensor final_norm;  // [1, width]
  RawTensor dense2;      // [dense_width, width]
  RawTensor dense3;      // [width, dense_width]
};

}  // namespace gemvec::model
