// An ONNX file that is written: inputs, nodes and constants one by one, then the whole as bytes. Large
// constants lie in a file of their own beside it ("external data"); this says where in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gemvec::formats {

class OnnxWriter {
 public:
  // TensorProto.DataType
  enum class Type : std::int32_t { kFloat = 1, kUint8 = 2, kInt8 = 3, kInt64 = 7, kBool = 9, kInt4 = 22 };

  // A number, or a name for what is only known when the graph runs ("batch").
  using Dim = std::variant<std::uint64_t, std::string>;

  struct Attribute {
    std::string_view name;
    std::variant<std::int64_t, std::vector<std::int64_t>> value;
  };

  struct Node {
    std::string_view op;  // "MatMul"
    std::span<const std::string> inputs;
    std::vector<std::string> outputs;
    std::vector<Attribute> attributes{};
    std::string_view domain{};  // empty: ONNX's own operators
  };

  struct Model {
    std::int64_t ir_version = 0;
    // Domain ("" is ONNX's own) and version.
    std::vector<std::pair<std::string, std::int64_t>> operator_sets{};
    std::string graph_name{}, producer_version{};
    std::vector<std::pair<std::string, std::string>> metadata{};
  };

  // `data_file` is the name, without a folder, of the file for external constants.
  explicit OnnxWriter(std::string data_file) : data_file_(std::move(data_file)) {}

  void add_input(std::string_view name, Type type, std::span<const Dim> shape);
  void add_output(std::string_view name, Type type, std::span<const Dim> shape);
  void add_node(const Node& node);
  // Constants that lie in the file itself; without `shape` a scalar. REQUIRES: as many values as the shape
  // says.
  void add_constant(std::string_view name, std::span<const std::uint64_t> shape,
                    std::span<const float> values);
  void add_constant(std::string_view name, std::span<const std::uint64_t> shape,
                    std::span<const std::int64_t> values);
  // A constant in the data file. Returns where its bytes begin there: where the one before it ended, and then
  // at a multiple of kAlignment, or of kPage if it is large.
  std::uint64_t add_external(std::string_view name, Type type, std::span<const std::uint64_t> shape,
                             std::uint64_t bytes);

  // Bytes of the data file.
  [[nodiscard]] std::uint64_t data_bytes() const { return data_bytes_; }
  // The .onnx file.
  [[nodiscard]] std::string serialize(const Model& model) const;

  static constexpr std::uint64_t kAlignment = 64;   // a cache line, and the widest vector register
  static constexpr std::uint64_t kPage = 4096;      // so that a runtime can map it by itself
  static constexpr std::uint64_t kLarge = 1 << 20;  // beginning at a page costs it less than 0.4 %

 private:
  std::string data_file_;
  std::string graph_;  // GraphProto's fields so far
  std::uint64_t data_bytes_ = 0;
};

}  // namespace gemvec::formats
