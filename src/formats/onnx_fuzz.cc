// Any bytes as an ONNX file: refused with a message, or parsed with every view inside the bytes.
//
// External data is in a file of 64 bytes, whatever it is called.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "formats/onnx.h"

namespace {

constexpr std::array<std::byte, 64> kData{};

gemvec::Result<std::span<const std::byte>> data_file(std::string_view) {
  return std::span<const std::byte>(kData);
}

// Reads every byte, so that one outside is seen.
std::size_t touch(std::string_view text) {
  std::size_t sum = 0;
  for (const char c : text) sum += static_cast<unsigned char>(c);
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto model =
      gemvec::formats::OnnxModel::parse(std::as_bytes(std::span(data, size)), "fuzz", data_file);
  if (!model.ok()) {
    if (model.error().message.empty()) std::abort();
    return 0;
  }
  std::size_t sum = 0;
  for (const auto& tensor : model->tensors()) {
    if (model->find(tensor.name) != &tensor) std::abort();
    if (tensor.bytes.size() != (tensor.elements * bits_of(tensor.type) + 7) / 8) std::abort();
    sum += touch({reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()});
  }
  for (const auto& node : model->nodes()) {
    for (const auto name : {node.name, node.op, node.domain}) sum += touch(name);
    for (const auto name : node.inputs) sum += touch(name);
    for (const auto name : node.outputs) sum += touch(name);
    for (const auto& attribute : node.attributes) sum += touch(attribute.name) + touch(attribute.text);
  }
  return sum == static_cast<std::size_t>(-1) ? 1 : 0;  // so that the reads are not optimised away
}
