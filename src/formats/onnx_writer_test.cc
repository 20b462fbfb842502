// Where external constants lie, and that the message is one: its fields, read one by one. What it means is
// judged by the onnx package in tests/convert.
#include "formats/onnx_writer.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <protozero/pbf_reader.hpp>

namespace gemvec::formats {
namespace {

using Type = OnnxWriter::Type;

// The first field with this number, as bytes.
std::string field(const std::string& message, protozero::pbf_tag_type tag) {
  protozero::pbf_reader reader(message);
  return reader.next(tag) ? reader.get_string() : std::string();
}

TEST(OnnxWriter, ConstantsBeginWhereARuntimeCanUseThem) {
  OnnxWriter writer("model.onnx_data");
  EXPECT_EQ(writer.add_external("a", Type::kFloat, std::array<std::uint64_t, 1>{3}, 12), 0U);
  EXPECT_EQ(writer.add_external("b", Type::kInt8, std::array<std::uint64_t, 1>{65}, 65), 64U);
  EXPECT_EQ(writer.add_external("c", Type::kInt4, std::array<std::uint64_t, 2>{2, 32}, 32), 192U);
  // A large one begins at a page.
  EXPECT_EQ(writer.add_external("d", Type::kUint8, std::array<std::uint64_t, 1>{1 << 20}, 1 << 20), 4096U);
  EXPECT_EQ(writer.data_bytes(), 4096U + (1 << 20));
}

TEST(OnnxWriter, NamesTheDataFileOffsetAndLength) {
  OnnxWriter writer("model_q4.onnx_data");
  writer.add_external("first", Type::kFloat, std::array<std::uint64_t, 1>{1}, 4);
  writer.add_external("second", Type::kInt8, std::array<std::uint64_t, 2>{7, 300}, 2100);
  const std::string graph = field(writer.serialize({}), 7);
  protozero::pbf_reader tensors(graph);
  ASSERT_TRUE(tensors.next(5));
  tensors.skip();
  ASSERT_TRUE(tensors.next(5));
  const std::string second = tensors.get_string();
  EXPECT_EQ(field(second, 8), "second");
  std::map<std::string, std::string> entries;
  protozero::pbf_reader reader(second);
  std::vector<std::int64_t> dims;
  while (reader.next()) {
    if (reader.tag() == 13) {
      const std::string entry = reader.get_string();
      entries[field(entry, 1)] = field(entry, 2);
    } else if (reader.tag() == 1) {
      dims.push_back(reader.get_int64());
    } else if (reader.tag() == 14) {
      EXPECT_EQ(reader.get_enum(), 1);
    } else if (reader.tag() == 2) {
      EXPECT_EQ(reader.get_int32(), 3);
    } else {
      reader.skip();
    }
  }
  EXPECT_EQ(dims, (std::vector<std::int64_t>{7, 300}));
  EXPECT_EQ(entries, (std::map<std::string, std::string>{
                         {"location", "model_q4.onnx_data"}, {"offset", "64"}, {"length", "2100"}}));
}

TEST(OnnxWriter, SmallConstantsAreLittleEndianBytes) {
  OnnxWriter writer("data");
  writer.add_constant("pi", {}, std::array{3.25F});
  writer.add_constant("axes", std::array<std::uint64_t, 1>{2}, std::array<std::int64_t, 2>{-1, 258});
  const std::string graph = field(writer.serialize({.graph_name = "g"}), 7);
  protozero::pbf_reader tensors(graph);
  ASSERT_TRUE(tensors.next(5));
  EXPECT_EQ(field(tensors.get_string(), 9), std::string("\x00\x00\x50\x40", 4));
  ASSERT_TRUE(tensors.next(5));
  EXPECT_EQ(field(tensors.get_string(), 9), std::string(8, '\xFF') + std::string("\x02\x01\0\0\0\0\0\0", 8));
}

}  // namespace
}  // namespace gemvec::formats
