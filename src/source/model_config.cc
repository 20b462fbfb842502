#include "source/model_config.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "base/quote.h"
#include "base/try.h"
#include "gemvec/tokenizer.h"
#include "source/json_fields.h"

namespace gemvec::source {

namespace {

// The release, whose sliding_window is known.
constexpr std::size_t kReleaseLayers = 24, kReleaseWidth = 768;

Status check_is_embedding_gemma(const JsonFields& fields) {
  GEMVEC_TRY(model_type, fields.text("model_type"));
  if (model_type != "gemma3_text")
    return fields.expected("model_type", "\"gemma3_text\", EmbeddingGemma's", ErrorCode::kUnsupported);
  if (const auto* names = fields.find("architectures"); names != nullptr) {
    const auto known = [](const boost::json::value& name) {
      return name == "Gemma3TextModel" || name == "Gemma3ForCausalLM";
    };
    const auto* array = names->if_array();
    if (array == nullptr || array->size() != 1 || !known(array->front()))
      return fields.expected("architectures", "[\"Gemma3TextModel\"]", ErrorCode::kUnsupported);
  }
  const auto* bidirectional = fields.find("use_bidirectional_attention");
  if (bidirectional == nullptr || *bidirectional != true)
    return fields.expected("use_bidirectional_attention", "true (a causal Gemma gives no such embeddings)",
                           ErrorCode::kUnsupported);
  GEMVEC_TRY(activation, fields.text("hidden_activation"));
  if (activation != "gelu_pytorch_tanh")
    return fields.expected("hidden_activation", "\"gelu_pytorch_tanh\"", ErrorCode::kUnsupported);
  for (const auto* name : {"attention_bias", "attn_logit_softcapping", "final_logit_softcapping",
                           "rope_scaling", "quantization_config"})
    GEMVEC_CHECK_OK(fields.absent_or_false(name));
  GEMVEC_TRY(kv_heads, fields.whole_number("num_key_value_heads", 1, model::kMaxHeads));
  if (kv_heads != 1) return fields.expected("num_key_value_heads", "1", ErrorCode::kUnsupported);
  return {};
}

Result<std::size_t> read_width(const JsonFields& fields, std::string_view name) {
  GEMVEC_TRY(width, fields.whole_number(name, kWidthStep, kMaxWidth));
  if (width % kWidthStep != 0)
    return fields.expected(name, "a multiple of " + std::to_string(kWidthStep), ErrorCode::kUnsupported);
  return static_cast<std::size_t>(width);
}

Status read_dimensions(const JsonFields& fields, model::Config& config) {
  GEMVEC_TRY(layers, fields.whole_number("num_hidden_layers", 1, kMaxLayers));
  GEMVEC_TRY(heads, fields.whole_number("num_attention_heads", 1, model::kMaxHeads));
  GEMVEC_TRY(vocab, fields.whole_number("vocab_size", 1, kMaxVocab));
  // BOS and EOS take two.
  GEMVEC_TRY(positions, fields.whole_number("max_position_embeddings", 2, kMaxPositions));
  GEMVEC_TRY(width, read_width(fields, "hidden_size"));
  GEMVEC_TRY(head_dim, read_width(fields, "head_dim"));
  GEMVEC_TRY(ffn, read_width(fields, "intermediate_size"));
  config.layers = layers;
  config.heads = heads;
  config.vocab = vocab;
  config.max_tokens = std::min<std::size_t>(positions, kMaxTokens);
  config.width = width;
  config.head_dim = head_dim;
  config.ffn = ffn;
  return {};
}

// theta of one kind of layer in the form of transformers 5:
//   "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e6}, ...}
Result<double> read_rope_parameters(const JsonFields& all, std::string_view kind) {
  GEMVEC_TRY(fields, all.object(kind));
  if (const auto* type = fields.find("rope_type"); type != nullptr && *type != "default")
    return fields.expected("rope_type", "\"default\"", ErrorCode::kUnsupported);
  return fields.number("rope_theta", 1, 1e9);
}

Status read_numbers(const JsonFields& fields, model::Config& config) {
  // Wide around 1e-6 and 256, and nothing that a float would turn into zero or infinity.
  GEMVEC_TRY(eps, fields.number("rms_norm_eps", 1e-12, 1e-2));
  GEMVEC_TRY(scalar, fields.number("query_pre_attn_scalar", 1e-3, 1e6));
  config.eps = static_cast<float>(eps);
  config.query_scale = static_cast<float>(1 / std::sqrt(scalar));
  if (fields.find("rope_parameters") != nullptr) {
    GEMVEC_TRY(parameters, fields.object("rope_parameters"));
    GEMVEC_TRY(full, read_rope_parameters(parameters, "full_attention"));
    GEMVEC_TRY(sliding, read_rope_parameters(parameters, "sliding_attention"));
    config.rope_theta_full = full;
    config.rope_theta_sliding = sliding;
    return {};
  }
  GEMVEC_TRY(full, fields.number("rope_theta", 1, 1e9));
  GEMVEC_TRY(sliding, fields.number("rope_local_base_freq", 1, 1e9));
  config.rope_theta_full = full;
  config.rope_theta_sliding = sliding;
  return {};
}

// Which layers see everything: layer_types says it layer by layer, (_)sliding_window_pattern = n says that
// every n-th does. Both may be there, and then agree.
Status read_layer_types(const JsonFields& fields, model::Config& config) {
  std::vector<bool> by_pattern;
  for (const auto* name : {"_sliding_window_pattern", "sliding_window_pattern"}) {
    if (fields.find(name) == nullptr) continue;
    GEMVEC_TRY(pattern, fields.whole_number(name, 1, kMaxLayers));
    for (std::size_t layer = 0; layer < config.layers; ++layer)
      by_pattern.push_back(layer % pattern == pattern - 1);
    break;
  }
  const auto* types = fields.find("layer_types");
  if (types == nullptr) {
    if (by_pattern.empty()) return fields.expected("layer_types", "an array");
    config.full_attention = std::move(by_pattern);
    return {};
  }
  const auto* array = types->if_array();
  if (array == nullptr || array->size() != config.layers)
    return fields.expected("layer_types", "an array of num_hidden_layers = " + std::to_string(config.layers));
  for (const auto& type : *array) {
    if (type != "full_attention" && type != "sliding_attention")
      return fields.expected("layer_types", "only \"full_attention\" and \"sliding_attention\"",
                             ErrorCode::kUnsupported);
    config.full_attention.push_back(type == "full_attention");
  }
  if (!by_pattern.empty() && by_pattern != config.full_attention)
    return fields.expected("layer_types", "what _sliding_window_pattern says");
  return {};
}

// Is `window` what comes of the release's after saving it once or more with n -> n / 2 + 1?
bool is_halved_window(std::uint64_t window) {
  for (std::uint64_t n = kReleaseWindow; n > 2;) {
    n = n / 2 + 1;
    if (n == window) return true;
  }
  return false;
}

Status read_window(const JsonFields& fields, std::string_view file, ModelConfig& result) {
  GEMVEC_TRY(window, fields.whole_number("sliding_window", 2, kMaxPositions));
  const auto intended = intended_window(result.config, window);
  if (!intended) return fields.expected("sliding_window", "512, EmbeddingGemma's", ErrorCode::kUnsupported);
  if (*intended != window)
    result.notes.push_back(std::string(file) + ": sliding_window is " + std::to_string(window) +
                           ", a 512 that was halved when the model was saved; 512 is used.");
  result.config.window = *intended / 2;
  return {};
}

}  // namespace

std::optional<std::uint64_t> intended_window(const model::Config& config, std::uint64_t window) {
  if (config.layers != kReleaseLayers || config.width != kReleaseWidth || window == kReleaseWindow)
    return window;
  if (is_halved_window(window)) return kReleaseWindow;
  return std::nullopt;
}

Result<ModelConfig> parse_model_config(std::string_view json, std::string_view file) {
  GEMVEC_TRY(fields, JsonFields::parse(json, file));
  GEMVEC_CHECK_OK(check_is_embedding_gemma(fields));
  ModelConfig result;
  GEMVEC_CHECK_OK(read_dimensions(fields, result.config));
  GEMVEC_CHECK_OK(read_numbers(fields, result.config));
  GEMVEC_CHECK_OK(read_layer_types(fields, result.config));
  GEMVEC_CHECK_OK(read_window(fields, file, result));
  return result;
}

}  // namespace gemvec::source
