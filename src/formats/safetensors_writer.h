// The beginning of a safetensors file that is written: length and JSON header. The tensors' bytes follow it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gemvec::formats {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // "F32", "BF16"
  std::vector<std::uint64_t> shape;
  std::uint64_t bytes = 0;
};

// Everything before the tensors' bytes, which lie one after the other in the order of `entries`. A multiple
// of eight bytes. `framework` is what the metadata say of the format ("pt" to transformers); empty: no
// metadata.
//
// With entries in the order of their names this is byte for byte what the format's reference implementation
// writes for tensors of one type.
std::string safetensors_header(std::span<const SafetensorsEntry> entries, std::string_view framework = {});

}  // namespace gemvec::formats
