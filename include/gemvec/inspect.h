// What a model's files are, without computing a vector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gemvec/result.h"

namespace gemvec {

struct InspectedTensor {
  std::string name;
  std::string type;                  // as its file spells it: "F32", "Q4_0", "float16"
  std::vector<std::uint64_t> shape;  // as in its file: GGUF has the dimension first that runs fastest
  std::uint64_t bytes = 0;
};

struct InspectedFile {
  std::filesystem::path path;
  std::string format;  // "safetensors", "ONNX", "ONNX data", "GGUF", "gemvec"
  std::uint64_t bytes = 0;
  std::vector<InspectedTensor> tensors;                         // in the file's order, or by name
  std::vector<std::pair<std::string, std::string>> properties;  // what it says of itself: general.name, ...
};

// How well weights of plain numbers stand on the numbers of a block format, worst first.
enum class GridFit {
  kNone,
  kRounded,  // each is one of the format's numbers but for a rounding by up to 1/128 of itself: what a
             // checkpoint in bf16 does to its grid, or steps that are no fp16 numbers
  kExact     // each is one of the format's numbers: encoding and decoding give it back
};

// The grid that all linear layers stand on, as checkpoints do that were trained for it (quantisation-aware).
struct WeightGrid {
  std::string type;              // "Q4_0" or "Q8_0"; empty: none
  GridFit fit = GridFit::kNone;  // of the linear layers, the dense ones included
  GridFit table_fit =
      GridFit::kNone;  // of the embedding table on Q8_0's grid, which is its type in such a file
};

struct Inspection {
  std::vector<InspectedFile> files;  // those with weights
  // Whether gemvec can load it, and if not, what is missing or wrong. `fields` below are then empty.
  bool complete = false;
  std::string problem;

  std::string format;     // "GGUF"
  std::string numbers;    // of the weights: "fp32", "Q4_K and Q6_K", "q4"
  bool has_dense = true;  // the two dense layers behind the mean
  std::size_t layers = 0, width = 0, vocab = 0, max_tokens = 0;
  std::filesystem::path tokenizer;  // the file that has it
  std::size_t tokenizer_size = 0;   // tokens in it
  bool has_prompts = false;         // of its own; otherwise the release's are used
  WeightGrid grid;                  // of weights in plain numbers
  std::vector<std::string> notes;   // repairs, one sentence each
};

// `path` as LoadOptions::model; `dtype` chooses among a folder's ONNX files as there.
// Weights that stand on a grid are read once from beginning to end for it; of others only the first rows are.
// Errors: kNotFound, kIo, kBadFormat (no file with weights can be read at all).
Result<Inspection> inspect_model(const std::filesystem::path& path, std::string_view dtype = "q8");

}  // namespace gemvec
