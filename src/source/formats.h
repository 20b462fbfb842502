// One function per format, for open_model(). Each opens, checks, and fills a ModelSource but for `path`.
#pragma once

#include <filesystem>

#include "formats/gguf.h"
#include "gemvec/result.h"
#include "gemvec/tokenizer.h"
#include "source/model_source.h"

namespace gemvec::source {

// FOLDER/config.json and sentence_bert_config.json -> config, and notes about what was repaired.
Status read_config(const std::filesystem::path& folder, ModelSource& source);

// FOLDER/config.json, FOLDER/model.safetensors and the folders of the dense layers.
Result<ModelSource> open_safetensors(const std::filesystem::path& folder, const OpenOptions& options);

// One .onnx file with its external data; config.json lies beside it or one folder up, as on the hub.
Result<ModelSource> open_onnx(const std::filesystem::path& file, const OpenOptions& options);

// One .gguf file, which has everything in it.
Result<ModelSource> open_gguf(const std::filesystem::path& file, const OpenOptions& options);
// The same of a file that is open already, whose bytes the caller keeps alive.
Result<ModelSource> read_gguf(const formats::Gguf& gguf, const std::filesystem::path& file,
                              const OpenOptions& options);

// The ONNX file that stands for options.dtype in FOLDER/onnx or FOLDER; empty if there is none at all.
std::filesystem::path find_onnx(const std::filesystem::path& folder, const OpenOptions& options);

// From ModelSource::tokenizer: a tokenizer.json, or the vocabulary in a GGUF file. Errors: as from_file().
Result<Tokenizer> read_tokenizer(const std::filesystem::path& path);

}  // namespace gemvec::source
