// `gemvec info PATH`: what a model's files are.
#pragma once

#include <filesystem>
#include <string>

#include "gemvec/inspect.h"

namespace gemvec::cli {

struct InfoFileArguments {
  std::filesystem::path path;
  std::string dtype;  // which of a folder's ONNX files; empty: q8's
  bool tensors = false;
  bool hash = false;
  bool json = false;
};

// Prints, and returns the exit code: kFailed if gemvec cannot load it.
int info_file(const InfoFileArguments& arguments);

// As a field of a JSON object: ,"grid":null or ,"grid":{...}
void append_grid(std::string& out, const WeightGrid& grid);
// "weights sit on a Q4_0 grid: ..." REQUIRES: there is one
std::string describe_grid(const WeightGrid& grid);

}  // namespace gemvec::cli
