// The reader of ONNX files: what it gives for a good file, and what it says about each bad one.
#include "formats/onnx.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "support/onnx_writer.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec::formats {
namespace {

namespace fs = std::filesystem;
using gemvec::testing::onnx_bytes;
using gemvec::testing::OnnxNodeSpec;
using gemvec::testing::OnnxSpec;
using gemvec::testing::OnnxTensorSpec;
using gemvec::testing::TempDir;
using gemvec::testing::write_text;

constexpr std::int32_t kFloat = 1, kUint8 = 2, kInt8 = 3, kInt64 = 7, kString = 8, kFloat16 = 10, kInt4 = 22;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }
std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Result<std::span<const std::byte>> no_files(std::string_view location) {
  return Error{ErrorCode::kNotFound, "no file " + std::string(location)};
}

// `text` must outlive the model.
Result<OnnxModel> parse(const std::string& text) {
  return OnnxModel::parse(bytes_of(text), "m.onnx", no_files);
}

std::string message_of(const std::string& text) {
  const auto model = parse(text);
  return model.ok() ? "no error" : model.error().message;
}

OnnxTensorSpec tensor(const std::string& name, std::int32_t type, std::vector<std::int64_t> dims,
                      std::string bytes) {
  OnnxTensorSpec spec;
  spec.name = name;
  spec.type = type;
  spec.dims = std::move(dims);
  spec.bytes = std::move(bytes);
  return spec;
}

std::string message_of(const OnnxTensorSpec& spec) {
  OnnxSpec model;
  model.tensors = {spec};
  return message_of(onnx_bytes(model));
}

TEST(Onnx, GivesNodesWithTheirAttributesAndTensorsWithTheirBytes) {
  OnnxSpec spec;
  spec.inputs = {"ids", "w"};  // "w" is an initializer as well, as files before 2019 have it
  spec.outputs = {"y"};
  spec.tensors = {tensor("w", kInt8, {2, 3}, "abcdef"), tensor("nibbles", kInt4, {3}, "xy"),
                  tensor("none", kFloat, {0, 7}, "")};
  spec.nodes = {{"MatMulNBits",
                 {"ids", "", "w"},
                 {"y"},
                 {{"K", std::int64_t{-3}}, {"eps", 0.5F}, {"perm", std::vector<std::int64_t>{1, 0}}},
                 "com.microsoft",
                 "first"},
                {"Gather", {}, {}, {}, "ai.onnx", ""}};
  const std::string text = onnx_bytes(spec);
  const auto model = parse(text);
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->opset(""), 21);
  EXPECT_EQ(model->opset("com.microsoft"), 1);
  EXPECT_EQ(model->opset("com.example"), 0);
  EXPECT_EQ(model->inputs(), (std::vector<std::string_view>{"ids"}));
  EXPECT_EQ(model->outputs(), (std::vector<std::string_view>{"y"}));
  ASSERT_EQ(model->nodes().size(), 2U);
  const OnnxNode& node = model->nodes()[0];
  EXPECT_EQ(node.op, "MatMulNBits");
  EXPECT_EQ(node.domain, "com.microsoft");
  EXPECT_EQ(node.name, "first");
  EXPECT_EQ(node.inputs, (std::vector<std::string_view>{"ids", "", "w"}));
  EXPECT_EQ(node.integer("K", 1), -3);
  EXPECT_EQ(node.integer("N", 1), 1);
  EXPECT_EQ(node.find("eps")->number, 0.5F);
  EXPECT_EQ(node.find("perm")->integers, (std::vector<std::int64_t>{1, 0}));
  EXPECT_EQ(model->nodes()[1].domain, "");
  ASSERT_NE(model->find("w"), nullptr);
  EXPECT_EQ(model->find("w")->type, OnnxType::kInt8);
  EXPECT_EQ(model->find("w")->dims, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(model->find("w")->elements, 6U);
  EXPECT_EQ(text_of(model->find("w")->bytes), "abcdef");
  EXPECT_TRUE(model->find("w")->is_mapped);
  EXPECT_EQ(model->find("nibbles")->bytes.size(), 2U);
  EXPECT_TRUE(model->find("none")->bytes.empty());
  EXPECT_EQ(model->find("x"), nullptr);
}

TEST(Onnx, ReadsNumbersThatAreSpeltOut) {
  OnnxSpec spec;
  OnnxTensorSpec floats = tensor("floats", kFloat, {2}, "");
  floats.floats = {1.5F, -2};
  OnnxTensorSpec halves = tensor("halves", kFloat16, {2}, "");
  halves.int32s = {0x3C00, 0xC000};
  OnnxTensorSpec signs = tensor("signs", kInt8, {3}, "");
  signs.int32s = {-128, -1, 127};
  OnnxTensorSpec longs = tensor("longs", kInt64, {}, "");
  longs.int64s = {-5};
  spec.tensors = {floats, halves, signs, longs};
  const std::string text = onnx_bytes(spec);
  const auto model = parse(text);
  ASSERT_TRUE(model.ok()) << model.error().message;
  const auto hex = [&](const char* name) {
    std::string out;
    for (const std::byte byte : model->find(name)->bytes) {
      const auto value = std::to_integer<unsigned>(byte);
      for (const unsigned digit : {value >> 4, value & 15}) out += "0123456789abcdef"[digit];
    }
    return out;
  };
  EXPECT_EQ(hex("floats"), "0000c03f000000c0");
  EXPECT_EQ(hex("halves"), "003c00c0");
  EXPECT_EQ(hex("signs"), "80ff7f");
  EXPECT_EQ(hex("longs"), "fbffffffffffffff");
  EXPECT_FALSE(model->find("floats")->is_mapped);
}

TEST(Onnx, ConstantNodesAreTensors) {
  OnnxSpec spec;
  spec.nodes = {{"Constant", {}, {"a"}, {{"value", tensor("ignored", kUint8, {2}, "xy")}}, "", ""},
                {"Constant", {}, {"b"}, {{"value_float", 0.25F}}, "", ""},
                {"Constant", {}, {"c"}, {{"value_ints", std::vector<std::int64_t>{7, 8}}}, "", ""},
                {"Constant", {}, {"d"}, {{"value_string", std::int64_t{0}}}, "", ""}};
  const std::string text = onnx_bytes(spec);
  auto model = parse(text);
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(text_of(model->find("a")->bytes), "xy");
  EXPECT_TRUE(model->find("b")->dims.empty());
  EXPECT_EQ(model->find("c")->dims, (std::vector<std::uint64_t>{2}));
  EXPECT_EQ(model->find("d"), nullptr);
  ASSERT_EQ(model->nodes().size(), 1U);
  EXPECT_EQ(model->nodes()[0].outputs[0], "d");
  // Their bytes outlive the model if its storage is kept.
  const auto storage = model->storage();
  const OnnxTensor b = *model->find("b");
  *model = OnnxModel();
  float value = 0;
  std::memcpy(&value, b.bytes.data(), sizeof(value));
  EXPECT_EQ(value, 0.25F);
}

TEST(Onnx, RefusesWhatIsNoModel) {
  EXPECT_EQ(message_of(std::string()), "m.onnx: expected an ONNX model, found no graph.");
  EXPECT_EQ(message_of("version https://git-lfs.github.com/spec/v1"),
            "m.onnx: expected an ONNX model, found a Git LFS pointer to it; fetch it with `git lfs pull`.");
  EXPECT_EQ(
      message_of("\x3A\xFF\xFF\xFF\xFF\x07"),
      "m.onnx: expected an ONNX model, found a message that ends too early, as if the file were cut short.");
  EXPECT_TRUE(message_of("{\"not\": \"protobuf\"}").starts_with("m.onnx: expected an ONNX model, found "));
  const std::string empty_graph = std::string("\x3A") + '\0';
  EXPECT_EQ(message_of(empty_graph), "no error");
  EXPECT_EQ(message_of(empty_graph + empty_graph), "m.onnx: expected one graph, found a second.");
}

TEST(Onnx, RefusesAFileCutShortAnywhereInItsGraph) {
  OnnxSpec spec;
  spec.inputs = {"ids"};
  spec.outputs = {"y"};
  spec.tensors = {tensor("w", kUint8, {2, 3}, "abcdef")};
  spec.nodes = {{"MatMul", {"ids", "w"}, {"y"}, {{"perm", std::vector<std::int64_t>{1, 0}}}, "", "n"}};
  const std::string whole = onnx_bytes(spec);
  const std::size_t graph_end = whole.find(std::string("\x42\x04\x0A\0\x10\x15", 6));  // an opset import
  ASSERT_NE(graph_end, std::string::npos);
  ASSERT_EQ(message_of(whole), "no error");
  for (std::size_t size = 0; size < graph_end; ++size) {
    EXPECT_NE(message_of(whole.substr(0, size)), "no error") << size;
  }
}

TEST(Onnx, SurvivesEveryByteChanged) {
  OnnxSpec spec;
  spec.tensors = {tensor("w", kUint8, {2, 3}, "abcdef")};
  spec.nodes = {{"Constant", {}, {"a"}, {{"value", tensor("", kUint8, {2}, "xy")}}, "", "n"}};
  const std::string whole = onnx_bytes(spec);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      EXPECT_FALSE(message_of(changed).empty());
    }
  }
}

TEST(Onnx, RefusesTensorsWhoseBytesAreNotThoseOfTheirShape) {
  const std::string at = "m.onnx: tensor \"w\": ";
  EXPECT_EQ(message_of(tensor("w", kFloat, {2, 2}, "123456789012345")),
            at + "[2, 2] of float takes 16 bytes, but there are 15.");
  EXPECT_EQ(message_of(tensor("w", kInt4, {5}, "1234")), at + "[5] of int4 takes 3 bytes, but there are 4.");
  EXPECT_EQ(message_of(tensor("w", kFloat, {2}, "")), at + "[2] of float takes 8 bytes, but there are 0.");
  EXPECT_EQ(message_of(tensor("w", kString, {1}, "x")),
            at + "expected numbers of a type that ONNX knows, found type 8.");
  EXPECT_EQ(message_of(tensor("w", 99, {1}, "x")),
            at + "expected numbers of a type that ONNX knows, found type 99.");
  EXPECT_EQ(message_of(tensor("w", kUint8, {-1}, "x")),
            at + "expected dimensions whose product fits into 64 bits, found a negative one.");
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  EXPECT_EQ(message_of(tensor("w", kUint8, {kHuge, 8}, "x")),
            at + "expected dimensions whose product fits into 64 bits, found [4611686018427387904, 8].");
  EXPECT_EQ(message_of(tensor("w", kUint8, std::vector<std::int64_t>(17, 1), "x")),
            at + "expected at most 16 dimensions.");
  OnnxTensorSpec both = tensor("w", kFloat, {1}, "1234");
  both.floats = {1};
  EXPECT_EQ(message_of(both), at + "expected raw_data or numbers, found both.");
  OnnxSpec twice;
  twice.tensors = {tensor("w", kUint8, {1}, "x"), tensor("w", kUint8, {1}, "y")};
  EXPECT_EQ(message_of(onnx_bytes(twice)), at + "expected one constant of this name, found a second.");
  EXPECT_TRUE(message_of(tensor(std::string(5000, 'n'), kUint8, {1}, "x"))
                  .starts_with("m.onnx: expected names of at most 4096 bytes, found \"nnn"));
}

// A folder with m.onnx, whose tensor "w" [4] of uint8 lies in another file, and data: eight bytes in w.bin.
class OnnxExternal : public ::testing::Test {
 protected:
  OnnxExternal() {
    write_text(folder() / "w.bin", "01234567");
    write_text(dir_.path() / "outside.bin", "01234567");
  }

  [[nodiscard]] fs::path folder() const { return dir_.path() / "model"; }

  Result<OnnxModel> open(const std::string& location, std::optional<std::string> offset = std::nullopt,
                         std::optional<std::string> length = std::nullopt) const {
    OnnxSpec spec;
    spec.tensors = {tensor("w", kUint8, {4}, "")};
    spec.tensors[0].location = location;
    spec.tensors[0].offset = std::move(offset);
    spec.tensors[0].length = std::move(length);
    write_text(folder() / "m.onnx", onnx_bytes(spec));
    return OnnxModel::open(folder() / "m.onnx");
  }

  // Without the folder's name.
  std::string message(const std::string& location, std::optional<std::string> offset = std::nullopt,
                      std::optional<std::string> length = std::nullopt) const {
    const auto model = open(location, std::move(offset), std::move(length));
    if (model.ok()) return "no error";
    std::string text = model.error().message;
    const std::string before = folder().string() + "/";
    return text.starts_with(before) ? text.substr(before.size()) : text;
  }

  TempDir dir_;
};

TEST_F(OnnxExternal, IsMappedOnceAndCut) {
  OnnxSpec spec;
  for (const char* name : {"a", "b"}) {
    spec.tensors.push_back(tensor(name, kUint8, {4}, ""));
    spec.tensors.back().location = "w.bin";
  }
  spec.tensors[0].length = "4";
  spec.tensors[1].offset = "4";
  write_text(folder() / "m.onnx", onnx_bytes(spec));
  auto model = OnnxModel::open(folder() / "m.onnx");
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(text_of(model->find("a")->bytes), "0123");
  EXPECT_EQ(text_of(model->find("b")->bytes), "4567");
  EXPECT_TRUE(model->find("b")->is_mapped);
  EXPECT_EQ(model->paths(), (std::vector<fs::path>{folder() / "m.onnx", folder() / "w.bin"}));
  EXPECT_EQ(model->release_files().size(), 2U);
}

TEST_F(OnnxExternal, MayLieInAFolderBelow) {
  write_text(folder() / "data" / "w.bin", "abcdefgh");
  const auto model = open("data/w.bin", "4");
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(text_of(model->find("w")->bytes), "efgh");
}

TEST_F(OnnxExternal, MayBeALinkBesideWhatTheModelIsALinkTo) {
  ASSERT_TRUE(open("w.bin", "4").ok());
  const fs::path blobs = dir_.path() / "blobs";
  fs::create_directories(blobs);
  fs::rename(folder() / "m.onnx", blobs / "1");
  fs::rename(folder() / "w.bin", blobs / "2");
  fs::create_symlink("../blobs/1", folder() / "m.onnx");
  fs::create_symlink("../blobs/2", folder() / "w.bin");
  const auto model = OnnxModel::open(folder() / "m.onnx");
  ASSERT_TRUE(model.ok()) << model.error().message;
}

TEST_F(OnnxExternal, IsRefusedOutsideTheFolder) {
  const std::string plain =
      "m.onnx: external data: location: expected the name of a file in this folder, found ";
  for (const std::string location : {"", "/etc/passwd", "../outside.bin", "data/../../outside.bin", "./w.bin",
                                     "data//w.bin", "w.bin/", ".."}) {
    EXPECT_EQ(message(location, "4"), plain + "\"" + location + "\".");
  }
  EXPECT_EQ(message(std::string("w.bin\0x", 7), "4"), plain + "\"w.bin\\x00x\".");
  fs::create_symlink("../outside.bin", folder() / "link.bin");
  EXPECT_EQ(message("link.bin", "4"),
            "m.onnx: external data: location: expected a file in this folder, not a link out of it, found "
            "\"link.bin\".");
  fs::create_directory_symlink("..", folder() / "up");
  EXPECT_EQ(message("up/outside.bin", "4"),
            "m.onnx: external data: location: expected a file in this folder, not a link out of it, found "
            "\"up/outside.bin\".");
  EXPECT_EQ(message("none.bin"), "none.bin: cannot open: No such file or directory.");
  fs::create_directories(folder() / "data");
  EXPECT_EQ(message("data"), "data: expected a regular file.");
}

TEST_F(OnnxExternal, IsRefusedBeyondItsEnd) {
  const std::string at = "m.onnx: tensor \"w\": external data in \"w.bin\": ";
  const std::string offset = at + "offset: expected a whole number of at most 8, the file's size, found ";
  EXPECT_EQ(message("w.bin", "9"), offset + "\"9\".");
  EXPECT_EQ(message("w.bin", "18446744073709551615"), offset + "\"18446744073709551615\".");
  EXPECT_EQ(message("w.bin", "18446744073709551616"), offset + "\"18446744073709551616\".");
  EXPECT_EQ(message("w.bin", "-1"), offset + "\"-1\".");
  EXPECT_EQ(message("w.bin", "4 "), offset + "\"4 \".");
  EXPECT_EQ(message("w.bin", ""), offset + "\"\".");
  EXPECT_EQ(message("w.bin", "5", "4"),
            at + "length: expected a whole number of at most 3, the bytes after the offset, found \"4\".");
  EXPECT_EQ(message("w.bin", "1", "18446744073709551615"),
            at + "length: expected a whole number of at most 7, the bytes after the offset, found "
                 "\"18446744073709551615\".");
  EXPECT_EQ(message("w.bin", "5"), at + "[4] of uint8 takes 4 bytes, but there are 3.");
  EXPECT_EQ(message("w.bin"), at + "[4] of uint8 takes 4 bytes, but there are 8.");
}

TEST(Onnx, OpenNamesAFileThatIsNotThere) {
  const auto model = OnnxModel::open("/nowhere/m.onnx");
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace gemvec::formats
