// Headers that are written are those that are read, and those of the format's reference implementation.
#include "formats/safetensors_writer.h"

#include <gtest/gtest.h>

#include <vector>

#include "formats/safetensors.h"

namespace gemvec::formats {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

TEST(SafetensorsWriter, IsReadBackTensorByTensor) {
  const std::vector<SafetensorsEntry> entries = {
      {"b", "F32", {2, 3}, 24}, {"a \"quoted\" name", "BF16", {5}, 10}, {"scalar", "F32", {}, 4}};
  std::string file = safetensors_header(entries, "pt");
  EXPECT_EQ(file.size() % 8, 0U);
  for (int i = 0; i < 38; ++i) file += static_cast<char>(i);
  const auto parsed = Safetensors::parse(bytes_of(file), "file");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  ASSERT_EQ(parsed->tensors().size(), 3U);
  std::byte first{0};
  for (const SafetensorsEntry& entry : entries) {
    const Tensor* tensor = parsed->find(entry.name);
    ASSERT_NE(tensor, nullptr) << entry.name;
    EXPECT_EQ(tensor->dtype, entry.dtype);
    EXPECT_EQ(tensor->shape, entry.shape);
    ASSERT_EQ(tensor->bytes.size(), entry.bytes);
    EXPECT_EQ(tensor->bytes[0], first);
    first = static_cast<std::byte>(std::to_integer<std::size_t>(first) + entry.bytes);
  }
}

TEST(SafetensorsWriter, WritesTheReferenceSBytes) {
  using namespace std::string_literals;
  EXPECT_EQ(safetensors_header(std::vector<SafetensorsEntry>{{"linear.weight", "F32", {3072, 768}, 9437184}}),
            "\x50\0\0\0\0\0\0\0"s +
                R"({"linear.weight":{"dtype":"F32","shape":[3072,768],"data_offsets":[0,9437184]}} )");
  EXPECT_EQ(safetensors_header({}, "pt"), "\x20\0\0\0\0\0\0\0"s + R"({"__metadata__":{"format":"pt"}})");
  EXPECT_EQ(safetensors_header({}), "\x08\0\0\0\0\0\0\0{}      "s);
}

}  // namespace
}  // namespace gemvec::formats
