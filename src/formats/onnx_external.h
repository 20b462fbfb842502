// The files beside an .onnx file that hold its large constants.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "gemvec/result.h"

namespace gemvec::formats {

class OnnxExternalFiles {
 public:
  explicit OnnxExternalFiles(std::filesystem::path onnx_file) : onnx_file_(std::move(onnx_file)) {}

  // Maps the file once. `location` must be a plain relative path: a file in the .onnx file's folder or below.
  // A symbolic link may lead to where the .onnx file itself leads, as in the hub's cache, and nowhere else.
  // Errors: kBadFormat (another location), kNotFound, kIo.
  Result<std::span<const std::byte>> bytes(std::string_view location);

  // Hands over the files, in the order in which they were first asked for.
  void release(std::vector<base::MappedFile>& files, std::vector<std::filesystem::path>& paths);

 private:
  std::filesystem::path onnx_file_;
  std::map<std::string, std::size_t, std::less<>> opened_;  // location -> files_
  std::vector<base::MappedFile> files_;
  std::vector<std::filesystem::path> paths_;
};

}  // namespace gemvec::formats
