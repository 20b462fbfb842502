// Names, sizes and places of packed weights.
#include "kernels/gemm_int8/gemm_int8.h"
#include "model/embedding.h"
#include "model/release_numbers.h"
#include "model/weights.h"

namespace gemvec::model {

using kernels::kPanel;

std::string_view name_of(WeightType type) {
  switch (type) {
    case WeightType::kF32:
      return "fp32";
    case WeightType::kBf16:
    case WeightType::kBf16Whole:
      return "bf16";
    case WeightType::kQ8:
    case WeightType::kQ8Whole:
      return "q8";
    case WeightType::kQ4:
      return "q4";
    case WeightType::kMixed:
      return "mixed";
  }
  return "";
}

Recipe Recipe::of(WeightType type) {
  constexpr Encoding f32 = Encoding::kF32, bf16 = Encoding::kBf16, int8 = Encoding::kInt8,
                     int6 = Encoding::kInt6, int4 = Encoding::kInt4;
  using Row = RowEncoding;
  constexpr Row source = Row::kSource;
  switch (type) {
    case WeightType::kF32:
      return {f32, f32, f32, f32, f32, source, source, false, false};
    case WeightType::kBf16:
      return {bf16, bf16, bf16, bf16, bf16, source, source, true, false};
    case WeightType::kQ8:
      return {int8, int8, int8, int8, int8, source, source, true, true, true};
    case WeightType::kQ4:
      return {int6, int8, int6, int6, int8, Row::kInt4, Row::kInt6, true, true, true};
    case WeightType::kBf16Whole:
      return {bf16, bf16, bf16, bf16, bf16, Row::kBf16, Row::kBf16, true, false};
    case WeightType::kQ8Whole:
      return {int8, int8, int8, int8, int8, Row::kBf16, Row::kBf16, true, true, true};
    case WeightType::kMixed:
      return {int8, int8, int8, int4, int4, Row::kChannel4, Row::kChannel4, true, false, false, true};
  }
  return {};
}

Recipe Recipe::of(WeightType type, const RawWeights& source) {
  Recipe recipe = of(type);
  if (has_codes(recipe.query_key)) recipe.round_to_bf16 = are_release_numbers(source);
  return recipe;
}

std::size_t PackedLinear::panels() const { return outputs / kPanel; }

std::size_t PackedLinear::panel_bytes() const {
  switch (encoding) {
    case Encoding::kF32:
      return inputs * kPanel * sizeof(float);
    case Encoding::kBf16:
      return inputs * kPanel * sizeof(std::uint16_t);
    case Encoding::kInt8:
      return kernels::panel_bytes_int8(inputs, group_of(inputs));
    case Encoding::kInt6:
      return kernels::panel_bytes_int6(inputs, group_of(inputs));
    case Encoding::kInt4:
      return kernels::panel_bytes_int4(inputs, group_of(inputs));
  }
  return 0;
}

PackedLayout PackedLayout::of(const Config& config, WeightType type) {
  const Recipe recipe = Recipe::of(type);
  PackedLayout layout;
  const auto reserve = [&](std::size_t bytes) {
    const std::size_t at = layout.bytes;
    layout.bytes += (bytes + 63) / 64 * 64;
    return at;
  };
  const auto vector = [&](std::size_t n) { return reserve(n * sizeof(float)); };
  const auto linear = [&](Encoding encoding, std::size_t outputs, std::size_t inputs) {
    return reserve(PackedLinear{nullptr, encoding, outputs, inputs}.bytes());
  };
  for (std::size_t i = 0; i < config.layers; ++i) {
    Layer layer{};
    layer.input_norm = vector(config.width);
    layer.post_attention_norm = vector(config.width);
    layer.pre_ffn_norm = vector(config.width);
    layer.post_ffn_norm = vector(config.width);
    layer.q_norm = vector(config.head_dim);
    layer.k_norm = vector(config.head_dim);
    layer.query_key = linear(recipe.query_key, config.query_width() + config.head_dim, config.width);
    layer.value = linear(recipe.value, config.head_dim, config.width);
    layer.output = linear(recipe.output, config.width, config.query_width());
    layer.gate_up = linear(recipe.gate_up, 2 * config.ffn, config.width);
    layer.down = linear(recipe.down, config.width, config.ffn);
    layout.layers.push_back(layer);
  }
  layout.final_norm = vector(config.width);
  layout.head = linear(Encoding::kF32, config.width, config.width);
  layout.verified_bytes = layout.bytes;
  layout.embedding = layout.bytes;
  if (recipe.embedding != RowEncoding::kSource) {
    reserve(EmbeddingRows(recipe, config).bytes());
  }
  return layout;
}

Weights view_weights(const Config& config, WeightType type, const RawTensor& embedding,
                     const RopeTables& rope, std::span<const std::byte> block) {
  const PackedLayout layout = PackedLayout::of(config, type);
  const Recipe recipe = Recipe::of(type);
  const auto floats = [&](std::size_t offset) {
    return reinterpret_cast<const float*>(block.data() + offset);
  };
  const auto linear = [&](std::size_t offset, Encoding encoding, std::size_t outputs, std::size_t inputs) {
    return PackedLinear{block.data() + offset, encoding, outputs, inputs};
  };
  Weights weights;
  weights.config = config;
  weights.type = type;
  weights.source_embedding = embedding;
  weights.embedding = block.data() + layout.embedding;
  for (const PackedLayout::Layer& from : layout.layers) {
    PackedLayer layer;
    layer.input_norm = floats(from.input_norm);
    layer.post_attention_norm = floats(from.post_attention_norm);
    layer.pre_ffn_norm = floats(from.pre_ffn_norm);
    layer.post_ffn_norm = floats(from.post_ffn_norm);
    layer.q_norm = floats(from.q_norm);
    layer.k_norm = floats(from.k_norm);
    layer.query_key =
        linear(from.query_key, recipe.query_key, config.query_width() + config.head_dim, config.width);
    layer.value = linear(from.value, recipe.value, config.head_dim, config.width);
    layer.output = linear(from.output, recipe.output, config.width, config.query_width());
    layer.gate_up = linear(from.gate_up, recipe.gate_up, 2 * config.ffn, config.width);
    layer.down = linear(from.down, recipe.down, config.width, config.ffn);
    weights.layers.push_back(layer);
  }
  weights.final_norm = floats(layout.final_norm);
  weights.head = linear(layout.head, Encoding::kF32, config.width, config.width);
  weights.rope_full = rope.full;
  weights.rope_sliding = rope.sliding;
  return weights;
}

}  // namespace gemvec::model
