// safetensors files: eight bytes of length, a JSON header, and the tensors' bytes.
//
// A file is hostile until it is open: afterwards every tensor's type is a known one, its bytes lie inside
// the file, have exactly the size that its shape says, and belong to no other tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "gemvec/result.h"

namespace gemvec::formats {

struct Tensor {
  std::string name;
  std::string dtype;  // as the file spells it: "F32", "BF16", "I8", ...
  std::vector<std::uint64_t> shape;
  std::span<const std::byte> bytes;  // row-major, little-endian; the address may be unaligned
};

class Safetensors {
 public:
  // Errors: kNotFound, kIo, kBadFormat (names the file, the tensor and what was expected).
  static Result<Safetensors> open(const std::filesystem::path& path);
  // The same over bytes that the caller keeps alive. `name` stands for the file in messages.
  static Result<Safetensors> parse(std::span<const std::byte> bytes, std::string_view name);

  // nullptr if there is none.
  [[nodiscard]] const Tensor* find(std::string_view name) const;
  // All tensors, sorted by name.
  [[nodiscard]] const std::vector<Tensor>& tensors() const { return tensors_; }

  // Hands over the mapping that open() made. The tensors' bytes live as long as it does.
  [[nodiscard]] base::MappedFile release_file() { return std::move(file_); }

 private:
  base::MappedFile file_;
  std::vector<Tensor> tensors_;
};

// "[256, 768]"
std::string shape_text(std::span<const std::uint64_t> shape);

}  // namespace gemvec::formats
