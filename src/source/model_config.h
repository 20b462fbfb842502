// config.json of a model folder -> model::Config, or a message about why it is no EmbeddingGemma.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemvec/result.h"
#include "model/config.h"

namespace gemvec::source {

// Far above any embedding model, and small enough that a product of two or three fits into 64 bits.
inline constexpr std::uint64_t kMaxLayers = 256;
inline constexpr std::uint64_t kMaxWidth = 1 << 16;
inline constexpr std::uint64_t kMaxVocab = 1 << 24;
inline constexpr std::uint64_t kMaxPositions = 1 << 24;
inline constexpr std::uint64_t kWidthStep = 32;  // the kernels' contract: see model/config.h

// The release's sliding_window.
inline constexpr std::uint64_t kReleaseWindow = 512;

struct ModelConfig {
  model::Config config;  // dense_width is the release's: config.json does not know it
  std::vector<std::string> notes;
};

// `file` stands for the file in messages. Every dimension is in a range in which the products that the
// engine forms cannot overflow, and is one that the kernels take.
//
// Refused, because gemvec would give other vectors than the reference: another model_type or
// architecture; use_bidirectional_attention that is not true (absent means causal to the reference);
// biases; soft-capping; scaled RoPE; more than one key/value head; another activation; quantised weights.
//
// sliding_window: some versions of the reference turn n into n / 2 + 1 each time they save a model. The
// release's 512 is what its weights were trained with, so in its dimensions 257, 129, ... are taken for
// 512, with a note, and any other value is refused. In other dimensions the value is believed.
//
// Errors: kBadFormat, kUnsupported.
Result<ModelConfig> parse_model_config(std::string_view json, std::string_view file);

// The config.json that parse_model_config() reads as `config`, but for dense_width, which has no field there.
boost::json::object write_model_config(const model::Config& config);

// The sliding_window that a file means by `window`, in a model of these dimensions; empty if it cannot be
// right. What parse_model_config() says of it above holds for all formats.
std::optional<std::uint64_t> intended_window(const model::Config& config, std::uint64_t window);

}  // namespace gemvec::source
