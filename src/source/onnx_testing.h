// What the tests of ONNX models share: a folder with the tiny model as one, and changes to its graph.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/pack.h"
#include "source/model_source.h"
#include "support/number_types.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"
#include "support/tiny_onnx.h"

namespace gemvec::source::onnx_testing {

using gemvec::testing::OnnxNodeSpec;
using gemvec::testing::OnnxSpec;
using gemvec::testing::OnnxTensorSpec;

inline constexpr std::int32_t kFloat = 1, kUint8 = 2, kInt8 = 3, kFloat16 = 10, kBfloat16 = 16, kUint4 = 21,
                              kInt4 = 22;

// config.json, tokenizer.json and m.onnx in a folder, and the graph that m.onnx will be.
class TinyOnnx {
 public:
  TinyOnnx() : model_(gemvec::testing::make_tiny_model()), spec(gemvec::testing::make_tiny_onnx(model_)) {
    gemvec::testing::save(model_, dir_.path());
    std::filesystem::remove(dir_.path() / "model.safetensors");
    std::filesystem::remove(dir_.path() / "modules.json");
  }

  [[nodiscard]] std::filesystem::path file() const { return dir_.path() / "m.onnx"; }
  [[nodiscard]] const std::filesystem::path& folder() const { return dir_.path(); }
  gemvec::testing::TinyModel& model() { return model_; }

  Result<ModelSource> open(const OpenOptions& options = {}) const {
    gemvec::testing::write_text(file(), gemvec::testing::onnx_bytes(spec));
    return open_model(file(), options);
  }

  // "no error", or the message without the file's name.
  [[nodiscard]] std::string message() const {
    const auto source = open();
    if (source.ok()) return "no error";
    std::string text = source.error().message;
    const std::string before = file().string() + ": ";
    return text.starts_with(before) ? text.substr(before.size()) : text;
  }

 private:
  gemvec::testing::TempDir dir_;
  gemvec::testing::TinyModel model_;

 public:
  OnnxSpec spec;
};

// All numbers of a tensor, [rows, cols].
inline std::vector<float> numbers_of(const model::RawTensor& raw) {
  std::vector<float> out(raw.rows * raw.cols);
  for (std::size_t r = 0; r < raw.rows; ++r) model::read_row(raw, r, false, out.data() + r * raw.cols);
  return out;
}

inline std::vector<float> floats_of(const std::string& bytes) {
  std::vector<float> out(bytes.size() / sizeof(float));
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

inline OnnxTensorSpec make_tensor(std::string name, std::int32_t type, std::vector<std::int64_t> dims,
                                  std::string bytes) {
  OnnxTensorSpec tensor;
  tensor.name = std::move(name);
  tensor.type = type;
  tensor.dims = std::move(dims);
  tensor.bytes = std::move(bytes);
  return tensor;
}

inline OnnxTensorSpec make_floats(std::string name, const std::vector<float>& values,
                                  std::vector<std::int64_t> dims = {}) {
  return make_tensor(std::move(name), kFloat, std::move(dims), bytes_of(values));
}

// Puts these nodes where the node NAME was; the last one gets its outputs.
inline void replace(OnnxSpec& spec, std::string_view name, std::vector<OnnxNodeSpec> nodes) {
  const auto at =
      std::find_if(spec.nodes.begin(), spec.nodes.end(), [&](const auto& n) { return n.name == name; });
  if (at == spec.nodes.end()) throw std::runtime_error("the graph has no node " + std::string(name));
  nodes.back().outputs = at->outputs;
  if (nodes.back().name.empty()) nodes.back().name = at->name;
  const auto next = spec.nodes.erase(at);
  spec.nodes.insert(next, nodes.begin(), nodes.end());
}

inline void remove_tensor(OnnxSpec& spec, std::string_view name) {
  std::erase_if(spec.tensors, [&](const auto& tensor) { return tensor.name == name; });
}

}  // namespace gemvec::source::onnx_testing
