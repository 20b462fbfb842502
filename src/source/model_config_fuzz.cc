// Any text as config.json: refused with a message, or numbers that the engine can compute with.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "gemvec/tokenizer.h"
#include "source/model_config.h"

namespace {

bool is_width(std::size_t value) { return value >= 32 && value % 32 == 0 && value <= 65536; }

bool is_usable(const gemvec::model::Config& c) {
  return is_width(c.width) && is_width(c.head_dim) && is_width(c.ffn) && c.heads >= 1 &&
         c.heads <= gemvec::model::kMaxHeads && c.layers >= 1 && c.vocab >= 1 &&
         c.full_attention.size() == c.layers && c.window >= 1 && c.max_tokens >= 2 &&
         c.max_tokens <= gemvec::kMaxTokens && c.eps > 0 && std::isfinite(c.query_scale) &&
         c.query_scale > 0 && c.rope_theta_full > 1 && c.rope_theta_sliding > 1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto config = gemvec::source::parse_model_config(
      std::string_view(reinterpret_cast<const char*>(data), size), "config.json");
  if (config.ok() ? !is_usable(config->config) : config.error().message.empty()) std::abort();
  return 0;
}
