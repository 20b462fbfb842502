// model::Config -> the config.json that says it.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <cmath>
#include <cstdint>
#include <utility>

#include "source/model_config.h"

namespace gemvec::source {

namespace {

namespace json = boost::json;

// The shortest decimal that is this float: 1e-6F is 1e-06 to people and not 9.99999997e-07.
double plain(float value) {
  const json::value parsed = json::parse(fmt::format("{}", value));
  return parsed.to_number<double>();
}

// query_pre_attn_scalar, of which the scale is the root's reciprocal: whole in every such model.
double attention_scalar(const model::Config& config) {
  const double exact =
      1 / (static_cast<double>(config.query_scale) * static_cast<double>(config.query_scale));
  constexpr double kRounding = 1e-6;  // two fp32 roundings
  const double whole = std::round(exact);
  return std::fabs(exact - whole) <= kRounding * whole ? whole : exact;
}

json::value number(double value) {
  if (value == std::floor(value) && value < 1e15) return static_cast<std::int64_t>(value);
  return value;
}

}  // namespace

json::object write_model_config(const model::Config& config) {
  json::array layer_types;
  for (const bool full : config.full_attention) {
    layer_types.emplace_back(full ? "full_attention" : "sliding_attention");
  }
  return {{"architectures", json::array{"Gemma3TextModel"}},
          {"attention_bias", false},
          {"attention_dropout", 0.0},
          {"attn_logit_softcapping", nullptr},
          {"bos_token_id", 2},
          {"dtype", "float32"},
          {"eos_token_id", 1},
          {"final_logit_softcapping", nullptr},
          {"head_dim", config.head_dim},
          {"hidden_activation", "gelu_pytorch_tanh"},
          {"hidden_size", config.width},
          {"initializer_range", 0.02},
          {"intermediate_size", config.ffn},
          {"layer_types", std::move(layer_types)},
          {"max_position_embeddings", config.max_tokens},
          {"model_type", "gemma3_text"},
          {"num_attention_heads", config.heads},
          {"num_hidden_layers", config.layers},
          {"num_key_value_heads", 1},
          {"pad_token_id", 0},
          {"query_pre_attn_scalar", number(attention_scalar(config))},
          {"rms_norm_eps", plain(config.eps)},
          {"rope_local_base_freq", config.rope_theta_sliding},
          {"rope_scaling", nullptr},
          {"rope_theta", config.rope_theta_full},
          {"sliding_window", 2 * config.window},
          {"use_bidirectional_attention", true},
          {"use_cache", true},
          {"vocab_size", config.vocab}};
}

}  // namespace gemvec::source
