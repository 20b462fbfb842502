// One function per target, for convert_model(). Each writes everything that belongs to the target.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "convert/job.h"
#include "convert/output.h"
#include "gemvec/result.h"

namespace gemvec::convert {

struct Written {
  std::size_t tensors = 0;
  std::vector<std::string> notes;  // what a reader of the output should know, one sentence each
};

// Errors: those of convert_model().
Result<Written> write_safetensors(Job& job, const StagedFolder& folder);
Result<Written> write_onnx(Job& job, const StagedFolder& folder);
Result<Written> write_gguf(Job& job, const std::filesystem::path& path);

// The licence of the release and of everything made from it, as the model hub and GGUF files name it.
inline constexpr std::string_view kLicence = "gemma";
inline constexpr std::string_view kLicenceLink = "https://ai.google.dev/gemma/terms";
// "EmbeddingGemma 300M", and without the size for a model of other dimensions.
std::string_view model_name(const model::Config& config);

}  // namespace gemvec::convert
