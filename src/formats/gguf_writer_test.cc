// Files that are written are those that are read: every kind of value, and tensors where the format wants
// them.
#include "formats/gguf_writer.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "formats/gguf.h"

namespace gemvec::formats {
namespace {

TEST(GgufWriter, IsReadBackKeyByKey) {
  GgufWriter writer;
  writer.add_u32("u32", 4000000000U);
  writer.add_f32("f32", -0.1F);
  writer.add_bool("yes", true);
  writer.add_bool("no", false);
  writer.add_text("text", "Größe\n");
  writer.add_text("empty", "");
  writer.add_bools("bools", std::array<std::uint8_t, 3>{1, 0, 1});
  writer.add_i32s("i32s", std::array<std::int32_t, 2>{1, 6});
  writer.add_f32s("f32s", std::array<float, 2>{1e-30F, -2});
  writer.add_texts("texts", std::array<std::string, 3>{"a", "", "bc"});
  const std::string file = writer.header();
  EXPECT_EQ(file.size() % GgufWriter::kAlignment, 0U);
  const auto gguf = Gguf::parse(std::as_bytes(std::span(file)), "file");
  ASSERT_TRUE(gguf.ok()) << gguf.error().message;
  EXPECT_EQ(gguf->entries().size(), 10U);
  EXPECT_EQ(gguf->find("u32")->whole_number(), 4000000000U);
  EXPECT_EQ(gguf->find("f32")->number(), static_cast<double>(-0.1F));
  EXPECT_EQ(gguf->find("yes")->boolean(), true);
  EXPECT_EQ(gguf->find("no")->boolean(), false);
  EXPECT_EQ(gguf->find("text")->text(), "Größe\n");
  EXPECT_EQ(gguf->find("empty")->text(), "");
  EXPECT_EQ(gguf->find("bools")->whole_numbers(), (std::vector<std::int64_t>{1, 0, 1}));
  EXPECT_EQ(gguf->find("i32s")->whole_numbers(), (std::vector<std::int64_t>{1, 6}));
  EXPECT_EQ(gguf->find("f32s")->floats(), (std::vector<float>{1e-30F, -2}));
  EXPECT_EQ(gguf->find("texts")->texts(), (std::vector<std::string_view>{"a", "", "bc"}));
}

TEST(GgufWriter, TensorsBeginAtMultiplesOfTheAlignment) {
  GgufWriter writer;
  // 3 x 4 numbers have 48 bytes, and the next tensor begins at 64.
  EXPECT_EQ(writer.add_tensor("plain", std::array<std::uint64_t, 2>{3, 4}, GgmlType::kF32, 48), 0U);
  EXPECT_EQ(writer.add_tensor("blocks", std::array<std::uint64_t, 2>{2, 32}, GgmlType::kQ8_0, 68), 64U);
  EXPECT_EQ(writer.add_tensor("norm", std::array<std::uint64_t, 1>{5}, GgmlType::kF32, 20), 160U);
  EXPECT_EQ(writer.data_bytes(), 180U);
  std::string file = writer.header();
  const std::size_t begin = file.size();
  for (int i = 0; i < 192; ++i) file += static_cast<char>(i);
  const auto gguf = Gguf::parse(std::as_bytes(std::span(file)), "file");
  ASSERT_TRUE(gguf.ok()) << gguf.error().message;
  const GgufTensor* blocks = gguf->find_tensor("blocks");
  ASSERT_NE(blocks, nullptr);
  EXPECT_EQ(blocks->type, GgmlType::kQ8_0);
  EXPECT_EQ(blocks->shape, (std::vector<std::uint64_t>{32, 2}));  // the last dimension first
  EXPECT_EQ(blocks->bytes.size(), 68U);
  EXPECT_EQ(std::to_integer<int>(blocks->bytes[0]), 64);
  EXPECT_EQ(begin % GgufWriter::kAlignment, 0U);
  EXPECT_EQ(gguf->find_tensor("norm")->shape, (std::vector<std::uint64_t>{5}));
  EXPECT_EQ(std::to_integer<int>(gguf->find_tensor("norm")->bytes[0]), 160);
}

}  // namespace
}  // namespace gemvec::formats
