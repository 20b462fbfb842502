// ONNX files for tests: what is in one, to be changed at will, and its bytes. Nothing is checked, so that
// broken files can be written as well.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gemvec::testing {

struct OnnxTensorSpec {
  std::string name;
  std::int32_t type = 1;  // TensorProto.DataType
  std::vector<std::int64_t> dims;
  std::string bytes;  // raw_data, unless one of the following is there
  // In fields of their own, for numbers spelt out.
  std::vector<float> floats;
  std::vector<std::int32_t> int32s;
  std::vector<std::int64_t> int64s;
  // External data: location, and offset and length as text.
  std::optional<std::string> location, offset, length;
};

using OnnxAttributeSpec = std::variant<std::int64_t, float, std::vector<std::int64_t>, OnnxTensorSpec>;

struct OnnxNodeSpec {
  std::string op;
  std::vector<std::string> inputs, outputs;
  std::vector<std::pair<std::string, OnnxAttributeSpec>> attributes;
  std::string domain;
  std::string name;
};

struct OnnxSpec {
  std::vector<std::string> inputs, outputs;
  std::vector<OnnxNodeSpec> nodes;
  std::vector<OnnxTensorSpec> tensors;

  // The tensor or node of this name. Throws std::runtime_error if there is none.
  OnnxTensorSpec& tensor(std::string_view name);
  OnnxNodeSpec& node(std::string_view name);
};

// A ModelProto.
std::string onnx_bytes(const OnnxSpec& spec);

}  // namespace gemvec::testing
