// Files that are written are those that are read: constants inside and outside, nodes, attributes. What a
// graph means is judged by the onnx package in tests/convert.
#include "formats/onnx_writer.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "formats/onnx.h"

namespace gemvec::formats {
namespace {

using Type = OnnxWriter::Type;

TEST(OnnxWriter, ConstantsBeginWhereARuntimeCanUseThem) {
  OnnxWriter writer("model.onnx_data");
  EXPECT_EQ(writer.add_external("a", Type::kFloat, std::array<std::uint64_t, 1>{3}, 12), 0U);
  EXPECT_EQ(writer.add_external("b", Type::kInt8, std::array<std::uint64_t, 1>{65}, 65), 64U);
  EXPECT_EQ(writer.add_external("c", Type::kInt4, std::array<std::uint64_t, 2>{2, 32}, 32), 192U);
  // A large one begins at a page.
  EXPECT_EQ(writer.add_external("d", Type::kUint8, std::array<std::uint64_t, 1>{1 << 20}, 1 << 20), 4096U);
  EXPECT_EQ(writer.data_bytes(), 4096U + (1 << 20));
}

template <class T>
std::vector<T> numbers_of(const OnnxTensor& tensor) {
  std::vector<T> numbers(tensor.bytes.size() / sizeof(T));
  std::memcpy(numbers.data(), tensor.bytes.data(), tensor.bytes.size());
  return numbers;
}

TEST(OnnxWriter, IsReadBackPartByPart) {
  OnnxWriter writer("model_q4.onnx_data");
  const std::array<OnnxWriter::Dim, 2> shape = {std::string("batch"), std::uint64_t{768}};
  writer.add_input("ids", Type::kInt64, shape);
  writer.add_output("vectors", Type::kFloat, shape);
  writer.add_constant("pi", {}, std::array{3.25F});
  writer.add_constant("axes", std::array<std::uint64_t, 1>{2}, std::array<std::int64_t, 2>{-1, 258});
  writer.add_external("codes", Type::kInt4, std::array<std::uint64_t, 2>{3, 32}, 48);
  writer.add_external("table", Type::kInt8, std::array<std::uint64_t, 2>{7, 3}, 21);
  const std::array<std::string, 2> inputs = {"ids", "table"};
  writer.add_node({.op = "Special",
                   .inputs = inputs,
                   .outputs = {"vectors"},
                   .attributes = {{"axis", std::int64_t{-1}}, {"perm", std::vector<std::int64_t>{0, 2, 1}}},
                   .domain = "com.microsoft"});
  const std::string file = writer.serialize({.ir_version = 10,
                                             .operator_sets = {{"", 21}, {"com.microsoft", 1}},
                                             .graph_name = "graph",
                                             .producer_version = "1",
                                             .metadata = {{"license", "gemma"}}});
  std::vector<std::byte> data(writer.data_bytes());
  data[64] = std::byte{0x85};
  const auto model = OnnxModel::parse(std::as_bytes(std::span(file)), "file",
                                      [&](std::string_view location) -> Result<std::span<const std::byte>> {
                                        EXPECT_EQ(location, "model_q4.onnx_data");
                                        return std::span<const std::byte>(data);
                                      });
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->opset(""), 21);
  EXPECT_EQ(model->opset("com.microsoft"), 1);
  EXPECT_EQ(model->inputs(), std::vector<std::string_view>{"ids"});
  EXPECT_EQ(model->outputs(), std::vector<std::string_view>{"vectors"});
  EXPECT_TRUE(model->find("pi")->dims.empty());
  EXPECT_EQ(numbers_of<float>(*model->find("pi")), std::vector<float>{3.25F});
  EXPECT_EQ(numbers_of<std::int64_t>(*model->find("axes")), (std::vector<std::int64_t>{-1, 258}));
  EXPECT_EQ(model->find("codes")->type, OnnxType::kInt4);
  EXPECT_EQ(model->find("codes")->bytes.size(), 48U);
  EXPECT_EQ(model->find("table")->dims, (std::vector<std::uint64_t>{7, 3}));
  EXPECT_EQ(model->find("table")->bytes[0], std::byte{0x85});
  ASSERT_EQ(model->nodes().size(), 1U);
  const OnnxNode& node = model->nodes()[0];
  EXPECT_EQ(node.op, "Special");
  EXPECT_EQ(node.domain, "com.microsoft");
  EXPECT_EQ(node.inputs, (std::vector<std::string_view>{"ids", "table"}));
  EXPECT_EQ(node.integer("axis", 0), -1);
  EXPECT_EQ(node.find("perm")->integers, (std::vector<std::int64_t>{0, 2, 1}));
}

}  // namespace
}  // namespace gemvec::formats
