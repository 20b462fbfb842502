// Any bytes as a safetensors file: refused with a message, or opened with every view inside the bytes.
//
// The first byte chooses what the rest is: a whole file, or a header around which a well-formed file is
// built, so that the checks behind the length are reached.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "formats/safetensors.h"

namespace {

void check(std::span<const std::byte> bytes) {
  const auto file = gemvec::formats::Safetensors::parse(bytes, "fuzz");
  if (!file.ok()) {
    if (file.error().message.empty()) std::abort();
    return;
  }
  std::uint64_t covered = 0;
  for (const auto& tensor : file->tensors()) {
    if (file->find(tensor.name) != &tensor) std::abort();
    for (const std::byte byte : tensor.bytes) covered += std::to_integer<unsigned>(byte) < 256;
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
  // Header, then as many bytes of data as the choosing byte says: 0..127.
  std::vector<std::byte> file(8);
  for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<std::byte>(rest.size() >> 8 * i);
  file.insert(file.end(), rest.begin(), rest.end());
  file.resize(file.size() + (data[0] >> 1));
  check(file);
  return 0;
}
