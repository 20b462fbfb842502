// The JSON header of a safetensors file as a list, before anything in it is believed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gemvec/result.h"

namespace gemvec::formats {

struct HeaderEntry {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes, relative to the end of the header
};

// Every entry has all three fields, in the file's order. `file` stands for the file in messages.
// Errors: kBadFormat.
Result<std::vector<HeaderEntry>> parse_safetensors_header(std::string_view json, std::string_view file);

}  // namespace gemvec::formats
