#include "source/gguf_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "base/try.h"
#include "gemvec/tokenizer.h"
#include "source/gguf_fields.h"
#include "source/model_config.h"

namespace gemvec::source {

namespace {

constexpr std::uint64_t kMeanPooling = 1;
// Where a file does not say it: EmbeddingGemma's.
constexpr std::uint64_t kDefaultPattern = 6;
constexpr double kDefaultSlidingTheta = 1e4;

Status check_architecture(const formats::Gguf& gguf, std::string_view file, GgufConfig& result) {
  const GgufFields general(gguf, file, "");
  GEMVEC_TRY(architecture, general.text("general.architecture"));
  if (architecture == "gemma-embedding") {
    result.dense2 = "dense_2.weight";
    result.dense3 = "dense_3.weight";
  } else if (architecture == "gemma3" && gguf.find_tensor("dense.0.weight") != nullptr) {
    result.dense2 = "dense.0.weight";
    result.dense3 = "dense.1.weight";
  } else {
    return general.expected(
        "general.architecture",
        "\"gemma-embedding\", EmbeddingGemma's (or \"gemma3\" with tensors dense.0.weight and "
        "dense.1.weight)",
        ErrorCode::kUnsupported);
  }
  result.prefix = std::string(architecture) + ".";
  if (general.find("split.count") != nullptr) {
    GEMVEC_TRY(parts, general.whole_number("split.count", 0, 65535));
    if (parts > 1)
      return general.expected("split.count", "a model in one file (llama-gguf-split --merge makes it)",
                              ErrorCode::kUnsupported);
  }
  return {};
}

Result<std::size_t> read_width(const GgufFields& fields, std::string_view key) {
  GEMVEC_TRY(width, fields.whole_number(key, kWidthStep, kMaxWidth));
  if (width % kWidthStep != 0)
    return fields.expected(key, fmt::format("a multiple of {}", kWidthStep), ErrorCode::kUnsupported);
  return static_cast<std::size_t>(width);
}

Status read_dimensions(const GgufFields& fields, model::Config& config) {
  GEMVEC_TRY(layers, fields.whole_number("block_count", 1, kMaxLayers));
  GEMVEC_TRY(heads, fields.whole_number("attention.head_count", 1, model::kMaxHeads));
  GEMVEC_TRY(kv_heads, fields.whole_number("attention.head_count_kv", 1, model::kMaxHeads));
  if (kv_heads != 1) return fields.expected("attention.head_count_kv", "1", ErrorCode::kUnsupported);
  // BOS and EOS take two.
  GEMVEC_TRY(positions, fields.whole_number("context_length", 2, kMaxPositions));
  GEMVEC_TRY(width, read_width(fields, "embedding_length"));
  GEMVEC_TRY(head_dim, read_width(fields, "attention.key_length"));
  GEMVEC_TRY(value_dim, read_width(fields, "attention.value_length"));
  if (value_dim != head_dim)
    return fields.expected("attention.value_length", fmt::format("{}, attention.key_length", head_dim),
                           ErrorCode::kUnsupported);
  GEMVEC_TRY(ffn, read_width(fields, "feed_forward_length"));
  config.layers = layers;
  config.heads = heads;
  config.max_tokens = std::min<std::size_t>(positions, kMaxTokens);
  config.width = width;
  config.head_dim = head_dim;
  config.ffn = ffn;
  return {};
}

// What would change the vectors, and what gemvec has no switch for.
Status check_computation(const GgufFields& fields, const model::Config& config) {
  GEMVEC_TRY(pooling, fields.whole_number("pooling_type", 0, 255));
  if (pooling != kMeanPooling)
    return fields.expected("pooling_type", "1, the mean over the tokens", ErrorCode::kUnsupported);
  GEMVEC_CHECK_OK(fields.absent_or("attention.causal", false));
  GEMVEC_CHECK_OK(fields.absent_or("attn_logit_softcapping", 0.0F));
  GEMVEC_CHECK_OK(fields.absent_or("attention.scale", config.query_scale));
  GEMVEC_CHECK_OK(fields.absent_or("rope.dimension_count", std::uint64_t{config.head_dim}));
  GEMVEC_CHECK_OK(fields.absent_or("rope.scaling.factor", 1.0F));
  if (fields.find("rope.scaling.type") != nullptr) {
    GEMVEC_TRY(scaling, fields.text("rope.scaling.type"));
    if (scaling != "none") return fields.expected("rope.scaling.type", "\"none\"", ErrorCode::kUnsupported);
  }
  return {};
}

Status read_numbers(const GgufFields& fields, model::Config& config) {
  // Wide around 1e-6, and nothing that a float would turn into zero.
  GEMVEC_TRY(eps, fields.number("attention.layer_norm_rms_epsilon", 1e-12, 1e-2));
  config.eps = static_cast<float>(eps);
  // No key carries it: the architecture takes the size of a key. 1/16 in the release.
  config.query_scale = static_cast<float>(1 / std::sqrt(static_cast<double>(config.head_dim)));
  GEMVEC_TRY(full, fields.number("rope.freq_base", 1, 1e9));
  config.rope_theta_full = full;
  config.rope_theta_sliding = kDefaultSlidingTheta;
  if (fields.find("rope.freq_base_swa") != nullptr) {
    GEMVEC_TRY(sliding, fields.number("rope.freq_base_swa", 1, 1e9));
    config.rope_theta_sliding = sliding;
  }
  return {};
}

// sliding_window_pattern: a number n says that every n-th layer sees everything; an array says of each layer
// whether it slides.
Status read_layer_types(const GgufFields& fields, model::Config& config) {
  constexpr std::string_view kKey = "attention.sliding_window_pattern";
  const auto* value = fields.find(kKey);
  config.full_attention.assign(config.layers, false);
  if (value != nullptr && value->is_array) {
    const auto slides = value->whole_numbers();
    if (!slides || slides->size() != config.layers ||
        !std::all_of(slides->begin(), slides->end(),
                     [](std::int64_t flag) { return flag == 0 || flag == 1; }))
      return fields.expected(kKey,
                             fmt::format("a number, or true or false for each of {} layers", config.layers));
    for (std::size_t layer = 0; layer < config.layers; ++layer)
      config.full_attention[layer] = (*slides)[layer] == 0;
    return {};
  }
  std::uint64_t pattern = kDefaultPattern;
  if (value != nullptr) {
    GEMVEC_TRY(given, fields.whole_number(kKey, 1, kMaxLayers));
    pattern = given;
  }
  for (std::size_t layer = 0; layer < config.layers; ++layer)
    config.full_attention[layer] = layer % pattern == pattern - 1;
  return {};
}

Status read_window(const GgufFields& fields, std::string_view file, GgufConfig& result) {
  constexpr std::string_view kKey = "attention.sliding_window";
  GEMVEC_TRY(window, fields.whole_number(kKey, 2, kMaxPositions));
  const auto intended = intended_window(result.config, window);
  if (!intended) return fields.expected(kKey, "512, EmbeddingGemma's", ErrorCode::kUnsupported);
  if (*intended != window)
    result.notes.push_back(
        fmt::format("{}: {}{} is {}, a 512 that was halved before the file was made; 512 is used.", file,
                    result.prefix, kKey, window));
  result.config.window = *intended / 2;
  return {};
}

}  // namespace

Result<GgufConfig> read_gguf_config(const formats::Gguf& gguf, std::string_view file) {
  GgufConfig result;
  GEMVEC_CHECK_OK(check_architecture(gguf, file, result));
  const GgufFields fields(gguf, file, result.prefix);
  GEMVEC_CHECK_OK(read_dimensions(fields, result.config));
  GEMVEC_CHECK_OK(read_numbers(fields, result.config));
  GEMVEC_CHECK_OK(check_computation(fields, result.config));
  GEMVEC_CHECK_OK(read_layer_types(fields, result.config));
  GEMVEC_CHECK_OK(read_window(fields, file, result));
  return result;
}

}  // namespace gemvec::source
