// `gemvec info PATH`: what a model's files are.
#pragma once

#include <filesystem>
#include <string>

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

}  // namespace gemvec::cli
