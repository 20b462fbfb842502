// Models in one file of gemvec's own: .gemvec, what `gemvec quantize` writes.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "base/thread_pool.h"
#include "gemvec/result.h"
#include "gemvec/tokenizer.h"
#include "model/config.h"
#include "source/model_source.h"

namespace gemvec::source {

// Versions of the parts' layouts, as they stand in the file.
inline constexpr std::uint32_t kDescriptionVersion = 1;
// Packed weights: raised whenever the meaning of a byte changes, also of those in the cache.
inline constexpr std::uint32_t kPackedWeightsVersion = 4;

// Errors: kNotFound, kIo, kBadFormat, kUnsupported.
Result<ModelSource> open_bundle(const std::filesystem::path& file);
// The same of a file that is open already. Errors: kBadFormat, kUnsupported.
Result<ModelSource> read_bundle(std::shared_ptr<const formats::Bundle> bundle,
                                const std::filesystem::path& file);

// Of a model with a bundle, the weights' bytes, compared with their checksum. Errors: kBadFormat.
Result<std::span<const std::byte>> bundle_weights(const ModelSource& source, base::ThreadPool& pool);

// Its tokenizer, which keeps the file mapped. Errors: kBadFormat.
Result<Tokenizer> bundle_tokenizer(const ModelSource& source);

// The description: JSON text of what a model is but for its weights. `prompts` is what
// config_sentence_transformers.json holds.
std::string describe_model(const ModelSource& source, model::WeightType type, boost::json::object prompts);

}  // namespace gemvec::source
