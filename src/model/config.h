// The architecture's numbers. The release's values are the defaults; the kernels take them at run time
// so that tests can run a tiny model of the same shape.
#pragma once

#include <cstddef>
#include <vector>

namespace gemvec::model {

// Query heads at most: the sums of an attention task's rows lie on the stack.
inline constexpr std::size_t kMaxHeads = 16;

struct Config {
  std::size_t layers = 24;
  std::size_t width = 768;     // residual stream; multiple of 32
  std::size_t heads = 3;       // query heads; they share one key/value head
  std::size_t head_dim = 256;  // multiple of 32
  std::size_t ffn = 1152;      // multiple of 32
  // Between the two dense layers of the head; multiple of 32. 0: there are none, and a text's vector is the
  // mean.
  std::size_t dense_width = 3072;
  std::size_t vocab = 262144;
  std::size_t max_tokens = 2048;
  // A sliding layer sees positions with |i - j| <= window: half of config.json's sliding_window.
  std::size_t window = 256;
  std::vector<bool> full_attention;  // [layers]; true: no window and rope_theta_full
  float eps = 1e-6F;                 // RMSNorm
  float query_scale = 0.0625F;       // query_pre_attn_scalar ^ -0.5
  double rope_theta_full = 1e6;
  double rope_theta_sliding = 1e4;

  [[nodiscard]] std::size_t query_width() const { return heads * head_dim; }      // 768
  [[nodiscard]] std::size_t qkv_width() const { return (heads + 2) * head_dim; }  // 1280
};

}  // namespace gemvec::model
