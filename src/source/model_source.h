// A model opened and checked, whatever its format: every tensor that the engine needs is there, with the
// right type, shape and bytes, before anything is computed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "formats/bundle.h"
#include "gemvec/result.h"
#include "model/config.h"
#include "model/raw_weights.h"
#include "model/weights.h"

namespace gemvec::source {

enum class Format { kSafetensors, kOnnx, kGguf, kGemvec };

std::string_view name_of(Format format);  // "safetensors", "ONNX", "GGUF", "gemvec"

struct ModelSource {
  Format format = Format::kSafetensors;
  std::filesystem::path path;  // as given: a folder or a file
  std::filesystem::path
      folder;  // where config.json and the like lie; of a GGUF file, the folder that it is in
  model::Config config;
  model::RawWeights weights;                                     // views into `files` and `readers`
  std::vector<base::MappedFile> files;                           // keeps the views alive
  std::vector<std::unique_ptr<const model::RowReader>> readers;  // the same for RawType::kRows
  std::vector<std::filesystem::path> weight_files;               // same order as `files`
  std::uint64_t weight_bytes = 0;                                // sum of the files' sizes
  std::filesystem::path tokenizer;                               // tokenizer.json, or the GGUF file
  // What the numbers are in the file: "fp32", "bf16", "fp16", "q8", "q4", "Q4_0", or several with " and ".
  std::string numbers;
  // Whether any matrix is in codes, or was when the weights were packed into a .gemvec file: whoever made
  // them rounded the release's weights, and the release's vectors cannot be expected of them.
  bool quantized = false;
  // config_sentence_transformers.json as text, if the file carries it along.
  std::string prompts_json;
  // A .gemvec file: its weights are packed already, `weights` has none of them.
  std::shared_ptr<const formats::Bundle> bundle;
  model::WeightType packed_type = model::WeightType::kQ8;
  std::vector<std::string> notes;  // repairs, e.g. a halved sliding_window
};

struct OpenOptions {
  // Which of a folder's ONNX files: that of "fp32", "q8" or "q4" as Transformers.js names them, else
  // model.onnx. Ignored where there is no choice.
  std::string_view dtype = "q8";
  // Take a model without dense layers, whose vectors are not the release's; otherwise that is an error.
  bool allow_headless = false;
};

// `path` is a folder in the sentence-transformers layout (model.safetensors or its shards), a folder of the
// ONNX release (onnx/model*.onnx), a folder with one GGUF file, or an .onnx, .gguf or .gemvec file. Of
// several formats in a folder the first in this order is taken. Errors: kNotFound, kIo, kBadFormat,
// kUnsupported; each names the file, the tensor or field, and what was expected.
Result<ModelSource> open_model(const std::filesystem::path& path, const OpenOptions& options = {});

// What stands for config_sentence_transformers.json: its text, from the folder of the model, from beside a
// model's file or from inside it. Empty if there is none. Errors: kIo, kBadFormat, kUnsupported.
Result<std::string> read_prompts_json(const std::filesystem::path& model);

}  // namespace gemvec::source
