#include "formats/gguf_writer.h"

#include <bit>
#include <type_traits>

namespace gemvec::formats {

namespace {

// gguf_metadata_value_type
enum ValueType : std::uint32_t {
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
};

constexpr std::string_view kMagic = "GGUF";
constexpr std::uint32_t kVersion = 3;

std::uint64_t aligned(std::uint64_t offset) {
  return (offset + GgufWriter::kAlignment - 1) / GgufWriter::kAlignment * GgufWriter::kAlignment;
}

template <class T>
void append(std::string& out, T value) {
  static_assert(std::is_integral_v<T>);
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out += static_cast<char>(static_cast<std::uint64_t>(value) >> 8 * i & 0xFF);
  }
}

void append(std::string& out, float value) { append(out, std::bit_cast<std::uint32_t>(value)); }

void append(std::string& out, std::string_view text) {
  append(out, std::uint64_t{text.size()});
  out += text;
}

}  // namespace

void GgufWriter::begin_value(std::string_view key, std::uint32_t type) {
  append(values_, key);
  append(values_, type);
  ++value_count_;
}

void GgufWriter::begin_array(std::string_view key, std::uint32_t type, std::size_t count) {
  begin_value(key, kArray);
  append(values_, type);
  append(values_, std::uint64_t{count});
}

void GgufWriter::add_u32(std::string_view key, std::uint32_t value) {
  begin_value(key, kUint32);
  append(values_, value);
}

void GgufWriter::add_f32(std::string_view key, float value) {
  begin_value(key, kFloat32);
  append(values_, value);
}

void GgufWriter::add_bool(std::string_view key, bool value) {
  begin_value(key, kBool);
  append(values_, static_cast<std::uint8_t>(value));
}

void GgufWriter::add_text(std::string_view key, std::string_view value) {
  begin_value(key, kString);
  append(values_, value);
}

void GgufWriter::add_bools(std::string_view key, std::span<const std::uint8_t> values) {
  begin_array(key, kBool, values.size());
  for (const std::uint8_t value : values) append(values_, value);
}

void GgufWriter::add_i32s(std::string_view key, std::span<const std::int32_t> values) {
  begin_array(key, kInt32, values.size());
  for (const std::int32_t value : values) append(values_, value);
}

void GgufWriter::add_f32s(std::string_view key, std::span<const float> values) {
  begin_array(key, kFloat32, values.size());
  for (const float value : values) append(values_, value);
}

void GgufWriter::add_texts(std::string_view key, std::span<const std::string> values) {
  begin_array(key, kString, values.size());
  for (const std::string& value : values) append(values_, std::string_view(value));
}

std::uint64_t GgufWriter::add_tensor(std::string_view name, std::span<const std::uint64_t> shape,
                                     GgmlType type, std::uint64_t bytes) {
  const std::uint64_t offset = aligned(data_bytes_);
  append(tensors_, name);
  append(tensors_, static_cast<std::uint32_t>(shape.size()));
  for (std::size_t i = shape.size(); i-- > 0;) append(tensors_, shape[i]);
  append(tensors_, static_cast<std::uint32_t>(type));
  append(tensors_, offset);
  ++tensor_count_;
  data_bytes_ = offset + bytes;
  return offset;
}

std::string GgufWriter::header() const {
  std::string out(kMagic);
  append(out, kVersion);
  append(out, tensor_count_);
  append(out, value_count_);
  out += values_;
  out += tensors_;
  out.resize(aligned(out.size()), '\0');
  return out;
}

}  // namespace gemvec::formats
