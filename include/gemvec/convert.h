// A model of any format that gemvec opens, written as a model of another: safetensors, GGUF or ONNX.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gemvec/result.h"

namespace gemvec {

enum class ConvertTarget {
  kSafetensors,  // a model folder in the sentence-transformers layout
  kGguf,         // one file, with the tokenizer in it
  kOnnx,         // a folder in the layout of the ONNX release: onnx/model.onnx, its data, tokenizer.json
};

// What the weights become. docs/convert.md says exactly what each is in each format.
enum class ConvertNumbers {
  kFp32,
  kBf16,  // safetensors and GGUF
  kQ8,    // GGUF: Q8_0. ONNX: 8 bits, one scale a row
  kQ4,    // GGUF: Q4_0 with the table in Q8_0. ONNX: 4 bits, one scale for 32 numbers
};

struct ConvertProgress {
  std::string_view stage{};  // "writing model.safetensors"
  std::uint64_t done = 0;    // bytes of weights
  std::uint64_t total = 0;
};

struct ConvertOptions {
  std::filesystem::path model{};   // as LoadOptions::model; of an ONNX folder, its fp32 file
  std::filesystem::path output{};  // a folder, or for kGguf a file; the folder above it must exist
  ConvertTarget target = ConvertTarget::kSafetensors;
  ConvertNumbers numbers = ConvertNumbers::kFp32;
  // Take a GGUF or ONNX file without the dense layers. Not for kSafetensors.
  bool allow_headless = false;
  // Replace what is at `output`. A folder is replaced whole, and only if it is empty or has a config.json.
  bool overwrite = false;
  unsigned threads = 0;                                    // 0 = one per core this process may run on
  std::function<void(const ConvertProgress&)> progress{};  // may be empty; called from this thread
  std::function<bool()> cancelled{};                       // may be empty; true ends with kCancelled
};

struct ConvertReport {
  std::filesystem::path output;
  std::string source_format, source_numbers;  // "safetensors", "fp32"
  std::uint64_t bytes = 0;                    // of all files written
  std::size_t tensors = 0;
  std::vector<std::string> notes;  // repairs made on the way, one sentence each
};

// Writes beside `output` under another name and renames when everything is there: an error, a full disk or
// a cancellation leaves what was there before. Memory does not grow with the model: one layer's tensor, or
// some rows of the table, at a time.
// Errors: those of opening the model; kInvalidArgument (numbers that the target has not; `output` exists,
// or is the model itself); kUnsupported (a model that the target cannot describe); kBadFormat (weights that
// are not finite, or too large for the numbers); kNotFound (no folder for `output`); kIo; kCancelled.
Result<ConvertReport> convert_model(const ConvertOptions& options);

// "safetensors", "gguf", "onnx". Errors: kInvalidArgument, listing the names.
Result<ConvertTarget> parse_convert_target(std::string_view name);
// "fp32", "bf16"; "q8_0" and "q4_0" of GGUF, where "q8" and "q4" are understood too; "q8" and "q4" of ONNX.
// Errors: kInvalidArgument, listing those that the target has.
Result<ConvertNumbers> parse_convert_numbers(std::string_view name, ConvertTarget target);
std::string_view name_of(ConvertTarget target);
std::string_view name_of(ConvertNumbers numbers, ConvertTarget target);

}  // namespace gemvec
