#include "source/onnx_names.h"

#include <array>
#include <charconv>

namespace gemvec::source {

namespace {

// As in the release's safetensors file, from which every exporter takes them; in the order of OnnxRole.
constexpr std::array<std::string_view, 13> kNames = {
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
    "input_layernorm",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
    "q_norm",
    "k_norm",
};

}  // namespace

std::string_view name_of(OnnxRole role) { return kNames[static_cast<std::size_t>(role)]; }

bool contradicts(std::string_view name, OnnxRole role, std::size_t layer) {
  constexpr std::string_view kLayers = "layers.";
  if (const std::size_t at = name.find(kLayers); at != std::string_view::npos) {
    const char* begin = name.data() + at + kLayers.size();
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(begin, name.data() + name.size(), number);
    if (error == std::errc() && number != layer) return true;
  }
  bool says_another = false;
  for (const std::string_view known : kNames) {
    if (name.find(known) == std::string_view::npos) continue;
    if (known == name_of(role)) return false;
    says_another = true;
  }
  return says_another;
}

}  // namespace gemvec::source
