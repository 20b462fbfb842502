// ONNX files: one protobuf message, ModelProto, with a graph of nodes and the constants that they use. Large
// constants may lie in files beside it ("external data").
//
// A file is hostile until it is open: afterwards every constant has a known element type, its bytes lie
// inside its file and have exactly the size that its dimensions say. The graph's meaning is not looked at
// here: which node follows which, and whether there is a circle, is for the reader of the graph.
//
// Not followed: the graphs inside nodes (If, Loop, Scan), functions, sparse constants.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "gemvec/result.h"

namespace gemvec::formats {

// TensorProto.DataType, those that have numbers of a fixed size.
enum class OnnxType : std::uint8_t {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBfloat16 = 16,
  kFloat8E4M3 = 17,
  kFloat8E4M3Uz = 18,
  kFloat8E5M2 = 19,
  kFloat8E5M2Uz = 20,
  kUint4 = 21,
  kInt4 = 22,
  kFloat4 = 23,
};

std::string_view name_of(OnnxType type);  // "float16"
unsigned bits_of(OnnxType type);

struct OnnxTensor {
  std::string_view name;
  OnnxType type = OnnxType::kFloat;
  std::vector<std::uint64_t> dims;  // empty: a scalar
  std::uint64_t elements = 0;       // the product of dims
  // Row-major, little-endian; 4-bit numbers two in a byte, the first in the low half. May be unaligned.
  std::span<const std::byte> bytes;
  // The bytes lie in a mapped file, and live as long as that; otherwise as long as OnnxModel::storage().
  bool is_mapped = false;
};

struct OnnxAttribute {
  std::string_view name;
  // The one that is set; which one it should be is what the operator says.
  float number = 0;
  std::int64_t integer = 0;
  std::string_view text;
  std::vector<std::int64_t> integers;
};

struct OnnxNode {
  std::string_view name;                 // may be empty
  std::string_view op;                   // "MatMul"
  std::string_view domain;               // "" is ONNX's own, also when the file says "ai.onnx"
  std::vector<std::string_view> inputs;  // "" stands for one that is left out
  std::vector<std::string_view> outputs;
  std::vector<OnnxAttribute> attributes;

  // nullptr if there is none.
  [[nodiscard]] const OnnxAttribute* find(std::string_view attribute) const;
  // The attribute's integer, or what the operator's definition says when it is absent.
  [[nodiscard]] std::int64_t integer(std::string_view attribute, std::int64_t otherwise) const;
};

// The bytes of the file that a tensor's "location" names.
using OnnxDataFiles = std::function<Result<std::span<const std::byte>>(std::string_view location)>;

class OnnxModel {
 public:
  // Errors: kNotFound, kIo, kBadFormat, kUnsupported (a type without a fixed size); each names the file, and
  // the tensor or node.
  static Result<OnnxModel> open(const std::filesystem::path& path);
  // The same over bytes that the caller keeps alive. `name` stands for the file in messages.
  static Result<OnnxModel> parse(std::span<const std::byte> bytes, std::string_view name,
                                 const OnnxDataFiles& data_files);

  // Version of an operator set that the graph imports; 0 if it does not. "" is ONNX's own.
  [[nodiscard]] std::int64_t opset(std::string_view domain) const;
  // Without those that are initializers as well, as older files have it.
  [[nodiscard]] const std::vector<std::string_view>& inputs() const { return inputs_; }
  [[nodiscard]] const std::vector<std::string_view>& outputs() const { return outputs_; }
  // In the file's order, without Constant nodes.
  [[nodiscard]] const std::vector<OnnxNode>& nodes() const { return nodes_; }
  // Initializers and the values of Constant nodes, in the file's order; no two have the same name.
  [[nodiscard]] const std::vector<OnnxTensor>& tensors() const { return tensors_; }
  // nullptr if there is none.
  [[nodiscard]] const OnnxTensor* find(std::string_view name) const;

  // What open() mapped: the .onnx file, then its data files. Strings and tensors live as long as they do.
  std::vector<base::MappedFile> release_files() { return std::move(files_); }
  [[nodiscard]] const std::vector<std::filesystem::path>& paths() const { return paths_; }
  // Keeps the bytes alive of tensors that are not mapped.
  [[nodiscard]] std::shared_ptr<const void> storage() const { return storage_; }

 private:
  friend class OnnxGraphParser;

  std::map<std::string_view, std::int64_t> opsets_;
  std::vector<std::string_view> inputs_, outputs_;
  std::vector<OnnxNode> nodes_;
  std::vector<OnnxTensor> tensors_;
  std::map<std::string_view, std::size_t> by_name_;  // -> tensors_
  std::vector<base::MappedFile> files_;
  std::vector<std::filesystem::path> paths_;
  std::shared_ptr<const void> storage_;
};

}  // namespace gemvec::formats
