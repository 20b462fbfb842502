// GGUF files: typed metadata, a table of tensors, and the tensors' bytes.
//
// A file is hostile until it is open: afterwards every string and array of the metadata lies inside the file,
// every tensor's type is one of ggml_blocks.h, its first dimension is whole blocks, and its bytes lie inside
// the file, where its alignment says, and belong to no other tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "formats/ggml_blocks.h"
#include "gemvec/result.h"

namespace gemvec::formats {

enum class GgufType : std::uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

// One value of the metadata: a view of its bytes in the file, which may be unaligned.
struct GgufValue {
  GgufType type = GgufType::kU8;  // of the value, or of an array's elements
  bool is_array = false;
  std::uint64_t count = 1;           // elements of an array
  std::span<const std::byte> bytes;  // a string's characters; in an array each string follows its length

  // Empty if the value is of another type. Whole numbers are of any integer type, and not negative.
  [[nodiscard]] std::optional<std::uint64_t> whole_number() const;
  [[nodiscard]] std::optional<double> number() const;  // fp32 or fp64
  [[nodiscard]] std::optional<bool> boolean() const;
  [[nodiscard]] std::optional<std::string_view> text() const;
  // Arrays. Their memory is at most a few times that of the array in the file.
  [[nodiscard]] std::optional<std::vector<std::string_view>> texts() const;
  [[nodiscard]] std::optional<std::vector<float>> floats() const;                // of fp32
  [[nodiscard]] std::optional<std::vector<std::int64_t>> whole_numbers() const;  // any integer type, bool

  // For a message: `"gemma-embedding"`, `512`, `an array of 24 numbers`.
  [[nodiscard]] std::string describe() const;
};

struct GgufEntry {
  std::string_view key;
  GgufValue value;
};

struct GgufTensor {
  std::string_view name;
  GgmlType type = GgmlType::kF32;
  std::vector<std::uint64_t> shape;  // as in the file: the dimension that runs fastest comes first
  std::span<const std::byte> bytes;
};

class Gguf {
 public:
  // Versions 2 and 3, little-endian.
  // Errors: kNotFound, kIo, kBadFormat, kUnsupported (names the file, the key or tensor, what was expected).
  static Result<Gguf> open(const std::filesystem::path& path);
  // The same over bytes that the caller keeps alive. `name` stands for the file in messages.
  static Result<Gguf> parse(std::span<const std::byte> bytes, std::string_view name);

  // nullptr if there is none.
  [[nodiscard]] const GgufValue* find(std::string_view key) const;
  [[nodiscard]] const GgufTensor* find_tensor(std::string_view name) const;
  // Sorted by key, by name.
  [[nodiscard]] const std::vector<GgufEntry>& entries() const { return entries_; }
  [[nodiscard]] const std::vector<GgufTensor>& tensors() const { return tensors_; }

  // Hands over the mapping that open() made. Everything here lives as long as it does.
  [[nodiscard]] base::MappedFile release_file() { return std::move(file_); }

 private:
  base::MappedFile file_;
  std::vector<GgufEntry> entries_;
  std::vector<GgufTensor> tensors_;
};

}  // namespace gemvec::formats
