// A model folder in the sentence-transformers layout, opened and checked: every tensor that the engine
// needs is there, with the right type, shape and bytes, before anything is computed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "gemvec/result.h"
#include "model/config.h"
#include "model/raw_weights.h"

namespace gemvec::engine {

struct ModelFolder {
  std::filesystem::path path;
  model::Config config;
  model::RawWeights weights;                        // views into `files`
  std::vector<base::MappedFile> files;              // keeps the views alive
  std::vector<std::filesystem::path> weight_files;  // same order as `files`
  std::uint64_t weight_bytes = 0;                   // sum of the files' sizes
  std::vector<std::string> notes;                   // repairs, e.g. a halved sliding_window
};

// Errors: kNotFound, kIo, kBadFormat, kUnsupported; each names the file, the tensor or field, and what
// was expected.
Result<ModelFolder> open_model_folder(const std::filesystem::path& path);

}  // namespace gemvec::engine
