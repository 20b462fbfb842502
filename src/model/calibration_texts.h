// Texts of the project's own in many languages, prompts and code among them, in ids of the release's
// tokenizer: what the inputs of quantised layers are measured over (model/calibrate.h).
#pragma once

#include <cstdint>
#include <span>

namespace gemvec::model {

// All texts one after the other, each from BOS on; and how many ids each has.
std::span<const std::int32_t> calibration_ids();
std::span<const std::uint16_t> calibration_lengths();

}  // namespace gemvec::model
