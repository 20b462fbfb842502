// The reader of safetensors files: what it gives for a good file, and what it says about each bad one.
#include "formats/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/file.h"

namespace gemvec::formats {
namespace {

std::vector<std::byte> to_bytes(const std::string& text) {
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

// A file with this header and `data_size` bytes of data, counting up from 0.
std::vector<std::byte> make_file(const std::string& header, std::size_t data_size) {
  std::string text(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) text[i] = static_cast<char>(header.size() >> 8 * i);
  text += header;
  for (std::size_t i = 0; i < data_size; ++i) text += static_cast<char>(i);
  return to_bytes(text);
}

std::string message_of(const std::vector<std::byte>& bytes) {
  const auto file = Safetensors::parse(bytes, "m.safetensors");
  if (file.ok()) return "no error";
  EXPECT_EQ(file.error().code, ErrorCode::kBadFormat);
  return file.error().message;
}

TEST(Safetensors, GivesEachTensorItsTypeShapeAndBytes) {
  const auto bytes = make_file(R"({"__metadata__":{"format":"pt"},)"
                               R"("w":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
                               R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                               R"("none":{"dtype":"I8","shape":[0,7],"data_offsets":[16,16]}}   )",
                               16);
  const auto file = Safetensors::parse(bytes, "m");
  ASSERT_TRUE(file.ok()) << file.error().message;
  ASSERT_EQ(file->tensors().size(), 3U);
  const Tensor* w = file->find("w");
  ASSERT_NE(w, nullptr);
  EXPECT_EQ(w->dtype, "BF16");
  EXPECT_EQ(w->shape, (std::vector<std::uint64_t>{2, 3}));
  ASSERT_EQ(w->bytes.size(), 12U);
  EXPECT_EQ(std::to_integer<int>(w->bytes[0]), 4);
  EXPECT_EQ(file->find("a")->bytes.size(), 4U);
  EXPECT_TRUE(file->find("none")->bytes.empty());
  EXPECT_EQ(file->find("b"), nullptr);
  EXPECT_EQ(file->find("__metadata__"), nullptr);
}

TEST(Safetensors, ReadsTensorNamesWithEscapesAsJsonMeansThem) {
  const auto bytes = make_file(R"({"a\u0041\n":{"data_offsets":[0,1],"shape":[1],"dtype":"\u00558"}})", 1);
  const auto file = Safetensors::parse(bytes, "m");
  ASSERT_TRUE(file.ok()) << file.error().message;
  ASSERT_NE(file->find("aA\n"), nullptr);
  EXPECT_EQ(file->find("aA\n")->dtype, "U8");
}

TEST(Safetensors, AnEmptyTableIsAFile) {
  const auto file = Safetensors::parse(make_file("{}", 0), "m");
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_TRUE(file->tensors().empty());
}

TEST(Safetensors, TypesOfLessThanAByteMustFillWholeBytes) {
  EXPECT_EQ(message_of(make_file(R"({"w":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}})", 2)), "no error");
  EXPECT_EQ(message_of(make_file(R"({"w":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", 2)),
            "m.safetensors: tensor \"w\": shape [3] of F4: expected a whole number of bytes below 2^61.");
}

TEST(Safetensors, RefusesFilesWithoutAWholeHeader) {
  EXPECT_EQ(message_of({}), "m.safetensors: expected a safetensors file, found 0 bytes.");
  EXPECT_EQ(message_of(to_bytes("1234567")), "m.safetensors: expected a safetensors file, found 7 bytes.");
  EXPECT_EQ(message_of(to_bytes("PK\3\4 and so on, a zip")),
            "m.safetensors: expected a safetensors file with a header of at most 100000000 bytes, found "
            "7236828441365138256.");
  auto file = make_file(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1);
  file.resize(30);
  EXPECT_EQ(message_of(file),
            "m.safetensors: expected a header of 53 bytes, found 22, as if the file were cut short.");
  file = make_file("{}", 0);
  file[7] = std::byte{0x80};
  EXPECT_EQ(message_of(file),
            "m.safetensors: expected a safetensors file with a header of at most 100000000 bytes, found "
            "9223372036854775810.");
}

TEST(Safetensors, NamesAGitLfsPointer) {
  EXPECT_EQ(
      message_of(to_bytes("version https://git-lfs\noid sha256:0\nsize 12\n")),
      "m.safetensors: expected a safetensors file, found a Git LFS pointer to it; fetch it with `git lfs "
      "pull`.");
}

// Each header is wrong in one way; eight bytes of data follow it.
struct BadHeader {
  const char* title;
  std::string header;
  std::string message;  // without "m.safetensors: " and the full stop
};

class SafetensorsBadHeader : public testing::TestWithParam<BadHeader> {};

TEST_P(SafetensorsBadHeader, IsRefusedWithAMessage) {
  EXPECT_EQ(message_of(make_file(GetParam().header, 8)), "m.safetensors: " + GetParam().message + ".");
}

const BadHeader kBadHeaders[] = {
    {"Empty", "", R"(the header: expected JSON that begins with "{")"},
    {"Array", "[]", R"(the header: expected JSON that begins with "{")"},
    {"LeadingSpace", " {}", R"(the header: expected JSON that begins with "{")"},
    {"CutShort", R"({"w":{"dtype":"U8")", "the header: not valid JSON at byte 18: incomplete JSON"},
    {"NotJson", R"({"w":nil})", "the header: not valid JSON at byte 5: syntax error"},
    {"Trailing", "{} {}", "the header: expected nothing after the JSON but spaces"},
    {"BrokenUtf8", "{\"\xFF\":{}}", "the header: not valid JSON at byte 2: syntax error"},
    {"TensorIsNumber", R"({"w":3})", R"(the header: the entry "w": expected an object, found a number)"},
    {"TensorIsArray", R"({"w":[]})", R"(the header: the entry "w": expected an object, found an array)"},
    {"MetadataIsNull", R"({"__metadata__":null})",
     R"(the header: the entry "__metadata__": expected an object, found null)"},
    {"MetadataHoldsNumber", R"({"__metadata__":{"a":1}})",
     R"(the header: __metadata__: the field "a": expected a string, found a number)"},
    {"MetadataHoldsObject", R"({"__metadata__":{"a":{}}})",
     R"(the header: __metadata__: the field "a": expected a string, found an object)"},
    {"NoDtype", R"({"w":{"shape":[8],"data_offsets":[0,8]}})",
     R"(the header: tensor "w": the field dtype is missing)"},
    {"NoShape", R"({"w":{"dtype":"U8","data_offsets":[0,8]}})",
     R"(the header: tensor "w": the field shape is missing)"},
    {"NoOffsets", R"({"w":{"dtype":"U8","shape":[8]}})",
     R"(the header: tensor "w": the field data_offsets is missing)"},
    {"UnknownField", R"({"w":{"dtype":"U8","shape":[8],"data_offsets":[0,8],"x":1}})",
     R"(the header: tensor "w": expected the fields dtype, shape and data_offsets, found "x")"},
    {"FieldTwice", R"({"w":{"dtype":"U8","dtype":"I8","shape":[8],"data_offsets":[0,8]}})",
     R"(the header: tensor "w": the field dtype comes twice)"},
    {"NameTwice",
     R"({"w":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"w":{"dtype":"I8","shape":[8],"data_offsets":[0,8]}})",
     R"(the header: the name "w" comes twice)"},
    {"DtypeIsNumber", R"({"w":{"dtype":8,"shape":[8],"data_offsets":[0,8]}})",
     R"(the header: tensor "w": dtype: expected a string, found a number)"},
    {"DtypeIsArray", R"({"w":{"dtype":[],"shape":[8],"data_offsets":[0,8]}})",
     R"(the header: tensor "w": dtype: expected a string, found an array)"},
    {"DtypeUnknown", R"({"w":{"dtype":"Q4_0","shape":[8],"data_offsets":[0,8]}})",
     R"(tensor "w": dtype: expected one of the format's types (F32, BF16, F16, ...), found "Q4_0")"},
    {"ShapeIsString", R"({"w":{"dtype":"U8","shape":"8","data_offsets":[0,8]}})",
     R"(the header: tensor "w": shape: expected an array of whole numbers, found a string)"},
    {"ShapeNegative", R"({"w":{"dtype":"U8","shape":[-8],"data_offsets":[0,8]}})",
     R"(the header: tensor "w": shape: expected an array of whole numbers, found a negative number)"},
    {"ShapeFraction", R"({"w":{"dtype":"U8","shape":[8.5],"data_offsets":[0,8]}})",
     R"(the header: tensor "w": shape: expected an array of whole numbers, found a number that is no 64-bit integer)"},
    {"ShapeHuge", R"({"w":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,8]}})",
     R"(the header: tensor "w": shape: expected an array of whole numbers, found a number that is no 64-bit integer)"},
    {"ShapeNested", R"({"w":{"dtype":"U8","shape":[[8]],"data_offsets":[0,8]}})",
     R"(the header: tensor "w": shape: expected an array of whole numbers, found an array)"},
    {"ShapeOverflows", R"({"w":{"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,8]}})",
     R"(tensor "w": shape [4294967296, 4294967296, 2] of F32: expected a whole number of bytes below 2^61)"},
    {"ShapeOverflowsToTheRightSize",
     R"({"w":{"dtype":"U8","shape":[4611686018427387906,4],"data_offsets":[0,8]}})",
     R"(tensor "w": shape [4611686018427387906, 4] of U8: expected a whole number of bytes below 2^61)"},
    {"ShapeOfNineDims", R"({"w":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,8],"data_offsets":[0,8]}})",
     "the header: not valid JSON at byte 44: array too large"},
    {"OneOffset", R"({"w":{"dtype":"U8","shape":[8],"data_offsets":[8]}})",
     R"(the header: tensor "w": data_offsets: expected two numbers, found 1)"},
    {"ThreeOffsets", R"({"w":{"dtype":"U8","shape":[8],"data_offsets":[0,0,8]}})",
     R"(the header: tensor "w": data_offsets: expected two numbers, found 3)"},
    {"OffsetsReversed", R"({"w":{"dtype":"U8","shape":[8],"data_offsets":[8,0]}})",
     R"(tensor "w": data_offsets: expected the begin before the end, found [8, 0])"},
    {"EndsPastTheFile", R"({"w":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}})",
     R"(tensor "w": data_offsets: expected an end of at most 8, the bytes after the header, found 9, as if the file were cut short)"},
    {"SizeIsNotTheShapes", R"({"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})",
     R"(tensor "w": shape [3] of F32 takes 12 bytes, but data_offsets span 8)"},
    {"Overlap",
     R"({"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
     R"(tensor "b": data_offsets: expected to begin at 5, where the tensor before it ends, found [4, 8])"},
    {"SameBytesTwice",
     R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
     R"(tensor "b": data_offsets: expected to begin at 8, where the tensor before it ends, found [0, 8])"},
    {"Hole",
     R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
     R"(tensor "b": data_offsets: expected to begin at 3, where the tensor before it ends, found [4, 8])"},
    {"HoleAtTheBeginning", R"({"a":{"dtype":"U8","shape":[7],"data_offsets":[1,8]}})",
     R"(tensor "a": data_offsets: expected to begin at 0, where the tensor before it ends, found [1, 8])"},
    {"TooMuchData", R"({"a":{"dtype":"U8","shape":[7],"data_offsets":[0,7]}})",
     "expected 7 bytes of tensors after the header, found 8"},
    {"HostileNameStaysOnOneLine", "{\"a\\nb\\u001b[0m" + std::string(200, 'x') + "\":3}",
     R"(the header: the entry "a\x0Ab\x1B[0m)" + std::string(73, 'x') +
         R"(...": expected an object, found a number)"},
    {"DeepNesting", R"({"w":)" + std::string(100, '[') + std::string(100, ']') + "}",
     R"(the header: the entry "w": expected an object, found an array)"},
};

INSTANTIATE_TEST_SUITE_P(Each, SafetensorsBadHeader, testing::ValuesIn(kBadHeaders),
                         [](const auto& test) { return test.param.title; });

TEST(Safetensors, RefusesMoreTensorsThanAnyModelHas) {
  std::string header = "{";
  for (int i = 0; i < 65538; ++i)
    header += "\"" + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)";
  header.back() = '}';
  EXPECT_NE(message_of(make_file(header, 0)).find("object too large"), std::string::npos);
}

TEST(Safetensors, OpensAFileAndItsBytesOutliveTheTable) {
  const auto path = std::filesystem::path(testing::TempDir()) / "gemvec_safetensors_test.safetensors";
  const auto bytes = make_file(R"({"w":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", 3);
  {
    auto out = base::AtomicFile::create(path);
    ASSERT_TRUE(out.ok() && out->write(bytes).ok() && out->commit().ok());
  }
  std::span<const std::byte> view;
  base::MappedFile mapping;
  {
    auto file = Safetensors::open(path);
    ASSERT_TRUE(file.ok()) << file.error().message;
    view = file->find("w")->bytes;
    mapping = file->release_file();
  }
  EXPECT_EQ(std::to_integer<int>(view[2]), 2);
  std::filesystem::remove(path);
  const auto missing = Safetensors::open(path);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message.find(path.string()), std::string::npos);
}

}  // namespace
}  // namespace gemvec::formats
