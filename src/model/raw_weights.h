// The weights as they lie in the source file, before packing. Views: the files stay mapped elsewhere.
#pragma once

#include <cstddef>
#include <vector>

namespace gemvec::model {

// Rows that are not plain numbers side by side: quantised, transposed, cut out of something larger.
// Immutable; read() may be called from many threads at once.
class RowReader {
 public:
  RowReader() = default;
  RowReader(const RowReader&) = delete;
  RowReader& operator=(const RowReader&) = delete;
  virtual ~RowReader() = default;

  // out[cols]: exactly what the file means, as fp32.
  virtual void read(std::size_t row, float* out) const = 0;
};

enum class RawType {
  kF32,
  kBf16,
  kF16,
  kRows,  // whatever `reader` makes of it
};

// A matrix [rows, cols], row-major, little-endian, of a checked size; data may be unaligned.
struct RawTensor {
  RawType type = RawType::kF32;
  std::size_t rows = 0, cols = 0;     // a vector has rows = 1
  const std::byte* data = nullptr;    // unless kRows
  const RowReader* reader = nullptr;  // for kRows
  // Of a norm: the numbers are 1 + w already, as in GGUF and ONNX files, and not w.
  bool one_added = false;
};

// Linear layers are [out, in], as in the safetensors release: y = x W^T.
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
  // Config::dense_width is 0 if the source has none, and these are empty.
  RawTensor dense2;  // [dense_width, width]
  RawTensor dense3;  // [width, dense_width]
};

}  // namespace gemvec::model
