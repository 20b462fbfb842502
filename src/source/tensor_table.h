// The safetensors files of one module, seen as one table of tensors.
#pragma once

#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "formats/safetensors.h"
#include "gemvec/result.h"
#include "model/raw_weights.h"

namespace gemvec::source {

class TensorTable {
 public:
  // FOLDER/model.safetensors, or the shards that FOLDER/model.safetensors.index.json names.
  // Errors: kNotFound, kIo, kBadFormat.
  static Result<TensorTable> open(const std::filesystem::path& folder);

  [[nodiscard]] bool contains(std::string_view name) const { return find(name).tensor != nullptr; }
  // The tensor of this name, which must have the type F32, BF16 or F16 and these dimensions; a vector
  // has rows = 1. Views bytes of the files.
  // Errors: kBadFormat (missing, another shape), kUnsupported (another type).
  Result<model::RawTensor> take_matrix(const std::string& name, std::size_t rows, std::size_t cols);
  Result<model::RawTensor> take_vector(const std::string& name, std::size_t size);
  // Number of rows, whatever it is: take_matrix() checks it. 0 if there is no such matrix.
  [[nodiscard]] std::size_t rows_of(std::string_view name) const;

  // A tensor that nobody took would be silently left out of the computation.
  // Errors: kUnsupported.
  [[nodiscard]] Status check_all_taken(std::string_view except = {}) const;

  // The file that holds the tensor, or the first one.
  [[nodiscard]] const std::filesystem::path& path_of(std::string_view name) const {
    return paths_[find(name).file];
  }
  [[nodiscard]] const std::vector<std::filesystem::path>& paths() const { return paths_; }
  // Hands over the files, in the order of paths(). The tensors live as long as they do.
  std::vector<base::MappedFile> release_files();

 private:
  struct Found {
    const formats::Tensor* tensor = nullptr;
    std::size_t file = 0;
  };
  [[nodiscard]] Found find(std::string_view name) const;
  Status add(const std::filesystem::path& path);
  Status add_shards(const std::filesystem::path& index);
  Result<model::RawTensor> take(const std::string& name, const std::vector<std::uint64_t>& shape);

  std::vector<formats::Safetensors> files_;
  std::vector<std::filesystem::path> paths_;
  std::set<const formats::Tensor*> taken_;
};

}  // namespace gemvec::source
