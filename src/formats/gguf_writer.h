// The beginning of a GGUF file that is written (version 3, little-endian): keys, values and the table of
// tensors. The tensors' bytes follow it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "formats/ggml_blocks.h"

namespace gemvec::formats {

class GgufWriter {
 public:
  // Where each tensor's bytes begin, relative to the end of the header: the format's own default.
  static constexpr std::uint64_t kAlignment = 32;

  void add_u32(std::string_view key, std::uint32_t value);
  void add_f32(std::string_view key, float value);
  void add_bool(std::string_view key, bool value);
  void add_text(std::string_view key, std::string_view value);
  void add_bools(std::string_view key, std::span<const std::uint8_t> values);  // 0 and 1
  void add_i32s(std::string_view key, std::span<const std::int32_t> values);
  void add_f32s(std::string_view key, std::span<const float> values);
  void add_texts(std::string_view key, std::span<const std::string> values);

  // `shape` is row-major, as everywhere in gemvec: the format itself has the last dimension first. Returns
  // where the tensor's bytes begin, relative to the end of the header.
  std::uint64_t add_tensor(std::string_view name, std::span<const std::uint64_t> shape, GgmlType type,
                           std::uint64_t bytes);

  // Everything before the tensors' bytes: a multiple of kAlignment bytes.
  [[nodiscard]] std::string header() const;
  // Bytes from the end of the header to the end of the last tensor.
  [[nodiscard]] std::uint64_t data_bytes() const { return data_bytes_; }

 private:
  void begin_value(std::string_view key, std::uint32_t type);
  void begin_array(std::string_view key, std::uint32_t type, std::size_t count);

  std::string values_, tensors_;
  std::uint64_t value_count_ = 0, tensor_count_ = 0;
  std::uint64_t data_bytes_ = 0;
};

}  // namespace gemvec::formats
