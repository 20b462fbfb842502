#include "model/weights.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "kernels/gemm/gemm.h"

namespace gemvec::model {

namespace {

using kernels::kPanel;

std::uint32_t bits_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

float from_bits(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

std::uint16_t to_bf16(float x) {
  const std::uint32_t bits = bits_of(x);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

float from_bf16(std::uint16_t x) { return from_bits(static_cast<std::uint32_t>(x) << 16); }

float from_f16(std::uint16_t x) {
  const std::uint32_t sign = static_cast<std::uint32_t>(x & 0x8000U) << 16;
  const std::uint32_t exponent = x >> 10 & 0x1FU;
  const std::uint32_t mantissa = x & 0x3FFU;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return from_bits(sign | bits_of(magnitude));
  }
  if (exponent == 31) return from_bits(sign | 0x7F800000U | mantissa << 13);
  return from_bits(sign | (exponent + 112) << 23 | mantissa << 13);  // 112 = 127 - 15
}

std::size_t element_size(WeightType type) {
  return type == WeightType::kF32 ? sizeof(float) : sizeof(std::uint16_t);
}

// Several matrices with the same inputs, one after the other: the rows of a fused linear layer.
struct RawRows {
  std::span<const RawTensor* const> parts;

  void read(std::size_t row, bool round, float* out) const {
    for (const RawTensor* part : parts) {
      if (row < part->rows) return read_row(*part, row, round, out);
      row -= part->rows;
    }
    assert(false);
  }
};

// One panel (kPanel rows of the source) into place.
void pack_panel(const RawRows& source, std::size_t panel, std::size_t k, WeightType type, float* row,
                std::byte* out) {
  const std::size_t elements = kPanel * k;
  for (std::size_t column = 0; column < kPanel; ++column) {
    source.read(panel * kPanel + column, type == WeightType::kBf16, row);
    if (type == WeightType::kF32) {
      float* to = reinterpret_cast<float*>(out) + panel * elements + column;
      for (std::size_t p = 0; p < k; ++p) to[p * kPanel] = row[p];
    } else {
      std::uint16_t* to = reinterpret_cast<std::uint16_t*>(out) + panel * elements + column * 2;
      for (std::size_t p = 0; p < k; p += 2) {
        to[p * kPanel] = to_bf16(row[p]);
        to[p * kPanel + 1] = to_bf16(row[p + 1]);
      }
    }
  }
}

void pack_linear(std::span<const RawTensor* const> parts, WeightType type, base::ThreadPool& pool,
                 std::byte* out) {
  const RawRows source{parts};
  const std::size_t k = parts[0]->cols;
  std::size_t rows = 0;
  for (const RawTensor* part : parts) rows += part->rows;
  std::vector<float> scratch(pool.size() * k);
  pool.run(rows / kPanel, [&](std::size_t panel, unsigned thread) {
    pack_panel(source, panel, k, type, scratch.data() + thread * k, out);
  });
}

void pack_norm(const RawTensor& raw, bool round, float factor, std::byte* out) {
  float* scale = reinterpret_cast<float*>(out);
  read_row(raw, 0, round, scale);
  for (std::size_t i = 0; i < raw.cols; ++i) scale[i] = (1.0F + scale[i]) * factor;
}

// Columns of the head summed at a time: 16 doubles are half of the baseline's 16 registers of two; divides
// every width.
constexpr std::size_t kHeadColumns = 16;

// dense3 * dense2, in double: neither has a bias or an activation between them, and doing it once saves
// 6/7 of the head's work for every text.
void pack_head(const RawWeights& raw, bool round, base::ThreadPool& pool, std::byte* out) {
  const std::size_t width = raw.dense2.cols;
  const std::size_t inner = raw.dense2.rows;
  std::vector<double> dense2(inner * width);
  std::vector<float> scratch(pool.size() * std::max(width, inner));
  pool.run(inner, [&](std::size_t j, unsigned thread) {
    float* row = scratch.data() + thread * width;
    read_row(raw.dense2, j, round, row);
    std::copy(row, row + width, dense2.data() + j * width);
  });
  std::vector<float> folded(width * width);
  pool.run(width, [&](std::size_t n, unsigned thread) {
    float* dense3 = scratch.data() + thread * inner;
    read_row(raw.dense3, n, round, dense3);
    for (std::size_t k = 0; k < width; k += kHeadColumns) {
      double sums[kHeadColumns] = {};
      for (std::size_t j = 0; j < inner; ++j) {
        const double factor = dense3[j];
        const double* row = dense2.data() + j * width + k;
        for (std::size_t i = 0; i < kHeadColumns; ++i) sums[i] += factor * row[i];
      }
      for (std::size_t i = 0; i < kHeadColumns; ++i) folded[n * width + k + i] = static_cast<float>(sums[i]);
    }
  });
  const RawTensor head{RawType::kF32, width, width, reinterpret_cast<const std::byte*>(folded.data())};
  const RawTensor* const parts[] = {&head};
  pack_linear(parts, WeightType::kF32, pool, out);
}

void fill_rope(const Config& config, double theta, base::ThreadPool& pool, std::byte* cos_out,
               std::byte* sin_out) {
  const std::size_t half = config.head_dim / 2;
  pool.run(config.max_tokens, [&](std::size_t position, unsigned) {
    float* cosines = reinterpret_cast<float*>(cos_out) + position * half;
    float* sines = reinterpret_cast<float*>(sin_out) + position * half;
    for (std::size_t i = 0; i < half; ++i) {
      const double inverse =
          std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim));
      const double angle = static_cast<double>(position) * inverse;
      cosines[i] = static_cast<float>(std::cos(angle));
      sines[i] = static_cast<float>(std::sin(angle));
    }
  });
}

}  // namespace

void read_row(const RawTensor& tensor, std::size_t row, bool round_to_bf16, float* out) {
  const std::size_t size = tensor.type == RawType::kF32 ? 4 : 2;
  const std::byte* from = tensor.data + row * tensor.cols * size;
  switch (tensor.type) {
    case RawType::kF32:
      std::memcpy(out, from, tensor.cols * size);
      break;
    case RawType::kBf16:
    case RawType::kF16:
      for (std::size_t i = 0; i < tensor.cols; ++i) {
        std::uint16_t half;
        std::memcpy(&half, from + i * size, sizeof(half));
        out[i] = tensor.type == RawType::kBf16 ? from_bf16(half) : from_f16(half);
      }
      break;
  }
  if (round_to_bf16 && tensor.type != RawType::kBf16) {
    for (std::size_t i = 0; i < tensor.cols; ++i) out[i] = from_bf16(to_bf16(out[i]));
  }
}

PackedLayout PackedLayout::of(const Config& config, WeightType type) {
  PackedLayout layout;
  const auto reserve = [&](std::size_t bytes) {
    const std::size_t at = layout.bytes;
    layout.bytes += (bytes + 63) / 64 * 64;
    return at;
  };
  const auto vector = [&](std::size_t n) { return reserve(n * sizeof(float)); };
  const auto linear = [&](std::size_t outputs, std::size_t inputs) {
    return reserve(outputs * inputs * element_size(type));
  };
  for (std::size_t i = 0; i < config.layers; ++i) {
    Layer layer{};
    layer.input_norm = vector(config.width);
    layer.post_attention_norm = vector(config.width);
    layer.pre_ffn_norm = vector(config.width);
    layer.post_ffn_norm = vector(config.width);
    layer.q_norm = vector(config.head_dim);
    layer.k_norm = vector(config.head_dim);
    layer.qkv = linear(config.qkv_width(), config.width);
    layer.o = linear(config.width, config.query_width());
    layer.gate_up = linear(2 * config.ffn, config.width);
    layer.down = linear(config.width, config.ffn);
    layout.layers.push_back(layer);
  }
  layout.final_norm = vector(config.width);
  layout.head = reserve(config.width * config.width * sizeof(float));
  const std::size_t rope = config.max_tokens * config.head_dim / 2;
  layout.cos_full = vector(rope);
  layout.sin_full = vector(rope);
  layout.cos_sliding = vector(rope);
  layout.sin_sliding = vector(rope);
  return layout;
}

void pack_weights(const Config& config, const RawWeights& raw, WeightType type, base::ThreadPool& pool,
                  std::span<std::byte> block,
                  const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  const PackedLayout layout = PackedLayout::of(config, type);
  assert(block.size() >= layout.bytes);
  const bool round = type == WeightType::kBf16;
  const auto at = [&](std::size_t offset) { return block.data() + offset; };
  for (std::size_t i = 0; i < config.layers; ++i) {
    const PackedLayout::Layer& to = layout.layers[i];
    const RawLayer& from = raw.layers[i];
    if (progress) progress(to.input_norm, layout.bytes);
    pack_norm(from.input_norm, round, 1.0F, at(to.input_norm));
    pack_norm(from.post_attention_norm, round, 1.0F, at(to.post_attention_norm));
    pack_norm(from.pre_ffn_norm, round, 1.0F, at(to.pre_ffn_norm));
    pack_norm(from.post_ffn_norm, round, 1.0F, at(to.post_ffn_norm));
    pack_norm(from.q_norm, round, config.query_scale, at(to.q_norm));
    pack_norm(from.k_norm, round, 1.0F, at(to.k_norm));
    const RawTensor* const qkv[] = {&from.q, &from.k, &from.v};
    const RawTensor* const o[] = {&from.o};
    const RawTensor* const gate_up[] = {&from.gate, &from.up};
    const RawTensor* const down[] = {&from.down};
    pack_linear(qkv, type, pool, at(to.qkv));
    pack_linear(o, type, pool, at(to.o));
    pack_linear(gate_up, type, pool, at(to.gate_up));
    pack_linear(down, type, pool, at(to.down));
  }
  pack_norm(raw.final_norm, round, 1.0F, at(layout.final_norm));
  pack_head(raw, round, pool, at(layout.head));
  fill_rope(config, config.rope_theta_full, pool, at(layout.cos_full), at(layout.sin_full));
  fill_rope(config, config.rope_theta_sliding, pool, at(layout.cos_sliding), at(layout.sin_sliding));
  if (progress) progress(layout.bytes, layout.bytes);
}

Weights view_weights(const Config& config, WeightType type, const RawTensor& embedding,
                     std::span<const std::byte> block) {
  const PackedLayout layout = PackedLayout::of(config, type);
  assert(block.size() >= layout.bytes);
  const auto floats = [&](std::size_t offset) {
    return reinterpret_cast<const float*>(block.data() + offset);
  };
  Weights weights;
  weights.config = config;
  weights.type = type;
  weights.embedding = embedding;
  for (const PackedLayout::Layer& from : layout.layers) {
    PackedLayer layer;
    layer.input_norm = floats(from.input_norm);
    layer.post_attention_norm = floats(from.post_attention_norm);
    layer.pre_ffn_norm = floats(from.pre_ffn_norm);
    layer.post_ffn_norm = floats(from.post_ffn_norm);
    layer.q_norm = floats(from.q_norm);
    layer.k_norm = floats(from.k_norm);
    layer.qkv = {block.data() + from.qkv, config.qkv_width(), config.width};
    layer.o = {block.data() + from.o, config.width, config.query_width()};
    layer.gate_up = {block.data() + from.gate_up, 2 * config.ffn, config.width};
    layer.down = {block.data() + from.down, config.width, config.ffn};
    weights.layers.push_back(layer);
  }
  weights.final_norm = floats(layout.final_norm);
  weights.head = {block.data() + layout.head, config.width, config.width};
  weights.rope_full = {floats(layout.cos_full), floats(layout.sin_full)};
  weights.rope_sliding = {floats(layout.cos_sliding), floats(layout.sin_sliding)};
  return weights;
}

}  // namespace gemvec::model
