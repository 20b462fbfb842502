// Any bytes as a GGUF file: refused with a message, or opened with every view inside the bytes.
//
// The first byte chooses what the rest is: a whole file, or what follows the header of a file with a few keys
// and tensors, so that the checks behind the magic number and the counts are reached.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "formats/gguf.h"

namespace {

using gemvec::formats::GgufValue;

bool is_inside(std::span<const std::byte> part, std::span<const std::byte> whole) {
  const std::less_equal<> not_after;
  return part.empty() || (not_after(whole.data(), part.data()) &&
                          not_after(part.data() + part.size(), whole.data() + whole.size()));
}

// Every way to look at a value.
void use(const GgufValue& value, std::span<const std::byte> file) {
  if (!is_inside(value.bytes, file) || value.describe().empty()) std::abort();
  const int kinds = value.whole_number().has_value() + value.number().has_value() +
                    value.boolean().has_value() + value.text().has_value() + value.texts().has_value() +
                    value.floats().has_value() + value.whole_numbers().has_value();
  if (kinds > 1) std::abort();
  for (const auto text : value.texts().value_or(std::vector<std::string_view>())) {
    if (!is_inside(std::as_bytes(std::span(text)), file)) std::abort();
  }
}

void check(std::span<const std::byte> bytes) {
  const auto file = gemvec::formats::Gguf::parse(bytes, "fuzz");
  if (!file.ok()) {
    if (file.error().message.empty()) std::abort();
    return;
  }
  for (const auto& entry : file->entries()) {
    if (file->find(entry.key) != &entry.value) std::abort();
    use(entry.value, bytes);
  }
  std::size_t covered = 0;
  for (const auto& tensor : file->tensors()) {
    if (file->find_tensor(tensor.name) != &tensor || !is_inside(tensor.bytes, bytes)) std::abort();
    covered += tensor.bytes.size();
    // One row, as much of a tensor as a fuzzer has time for.
    const std::size_t row = gemvec::formats::ggml_row_bytes(tensor.type, tensor.shape[0]);
    if (row > tensor.bytes.size()) std::abort();
    std::vector<float> numbers(tensor.shape[0]);
    gemvec::formats::ggml_decode_row(tensor.type, tensor.bytes.data(), numbers.size(), numbers.data());
  }
  if (covered > bytes.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto rest = std::as_bytes(std::span(data, size)).subspan(1);
  if ((data[0] & 1) == 0) {
    check(rest);
    return 0;
  }
  // "GGUF", version 3, 0 to 7 tensors, 0 to 7 keys.
  const std::uint8_t header[24] = {'G',
                                   'G',
                                   'U',
                                   'F',
                                   3,
                                   0,
                                   0,
                                   0,
                                   static_cast<std::uint8_t>(data[0] >> 1 & 7),
                                   0,
                                   0,
                                   0,
                                   0,
                                   0,
                                   0,
                                   0,
                                   static_cast<std::uint8_t>(data[0] >> 4 & 7)};
  const auto head = std::as_bytes(std::span(header));
  std::vector<std::byte> file(head.begin(), head.end());
  file.insert(file.end(), rest.begin(), rest.end());
  check(file);
  return 0;
}
