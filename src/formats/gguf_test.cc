// The reader of GGUF files: what it gives for a good file, and what it says about each bad one.
#include "formats/gguf.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "support/gguf_file.h"
#include "support/temp_dir.h"

namespace gemvec::formats {
namespace {

using testing::gguf_array;
using testing::gguf_bool;
using testing::gguf_f32;
using testing::gguf_i32;
using testing::gguf_numbers;
using testing::gguf_raw;
using testing::gguf_string;
using testing::gguf_text;
using testing::gguf_texts;
using testing::gguf_u32;
using testing::GgufFile;

std::span<const std::byte> as_bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

GgufFile make_file() {
  GgufFile file;
  file.set("general.architecture", gguf_text("tiny"));
  file.set("a.u32", gguf_u32(7));
  file.set("a.i32", gguf_i32(-7));
  file.set("a.f32", gguf_f32(1e-6F));
  file.set("a.f64", gguf_raw<std::uint32_t>(12) + gguf_raw(0.25));
  file.set("a.u64", gguf_raw<std::uint32_t>(10) + gguf_raw(std::numeric_limits<std::uint64_t>::max()));
  file.set("a.bool", gguf_bool(true));
  file.set("a.texts", gguf_texts({"", "b", "cc"}));
  file.set("a.floats", gguf_numbers<float>(6, {1, 2.5}));
  file.set("a.numbers", gguf_numbers<std::int16_t>(3, {-1, 2}));
  file.set("a.none", gguf_array(8, {}));
  file.tensors.push_back({"w", {32, 2}, 8, std::string(68, '\1')});
  file.tensors.push_back({"b", {3}, 0, std::string(12, '\2')});
  return file;
}

std::string message_of(const GgufFile& file, ErrorCode code = ErrorCode::kBadFormat) {
  const std::string bytes = file.bytes();
  const auto gguf = Gguf::parse(as_bytes(bytes), "m.gguf");
  if (gguf.ok()) return "no error";
  EXPECT_EQ(gguf.error().code, code);
  return gguf.error().message;
}

TEST(Gguf, GivesEachValueInItsTypeOnly) {
  const std::string bytes = make_file().bytes();
  const auto gguf = Gguf::parse(as_bytes(bytes), "m.gguf");
  ASSERT_TRUE(gguf.ok()) << gguf.error().message;
  EXPECT_EQ(gguf->entries().size(), 11U);
  const auto at = [&](const char* key) -> const GgufValue& { return *gguf->find(key); };
  EXPECT_EQ(at("general.architecture").text(), "tiny");
  EXPECT_EQ(at("a.u32").whole_number(), 7U);
  EXPECT_EQ(at("a.u32").describe(), "7");
  EXPECT_EQ(at("a.i32").whole_number(), std::nullopt);
  EXPECT_EQ(at("a.i32").describe(), "-7");
  EXPECT_EQ(at("a.f32").number(), static_cast<double>(1e-6F));
  EXPECT_EQ(at("a.f32").describe(), "1e-06");
  EXPECT_EQ(at("a.f64").number(), 0.25);
  EXPECT_EQ(at("a.u64").whole_number(), std::nullopt);
  EXPECT_EQ(at("a.u64").describe(), "18446744073709551615");
  EXPECT_EQ(at("a.bool").boolean(), true);
  EXPECT_EQ(at("a.bool").whole_number(), std::nullopt);
  EXPECT_EQ(at("a.texts").texts(), (std::vector<std::string_view>{"", "b", "cc"}));
  EXPECT_EQ(at("a.texts").describe(), "an array of 3 strings");
  EXPECT_EQ(at("a.texts").text(), std::nullopt);
  EXPECT_EQ(at("a.floats").floats(), (std::vector<float>{1, 2.5}));
  EXPECT_EQ(at("a.floats").number(), std::nullopt);
  EXPECT_EQ(at("a.numbers").whole_numbers(), (std::vector<std::int64_t>{-1, 2}));
  EXPECT_EQ(at("a.numbers").floats(), std::nullopt);
  EXPECT_EQ(at("a.none").texts(), std::vector<std::string_view>());
  EXPECT_EQ(gguf->find("a"), nullptr);
}

TEST(Gguf, GivesEachTensorItsTypeShapeAndBytes) {
  for (const std::uint32_t version : {2U, 3U}) {
    GgufFile file = make_file();
    file.version = version;
    const std::string bytes = file.bytes();
    const auto gguf = Gguf::parse(as_bytes(bytes), "m.gguf");
    ASSERT_TRUE(gguf.ok()) << gguf.error().message;
    ASSERT_EQ(gguf->tensors().size(), 2U);
    const GgufTensor* w = gguf->find_tensor("w");
    ASSERT_NE(w, nullptr);
    EXPECT_EQ(w->type, GgmlType::kQ8_0);
    EXPECT_EQ(w->shape, (std::vector<std::uint64_t>{32, 2}));
    ASSERT_EQ(w->bytes.size(), 68U);
    EXPECT_EQ(w->bytes[67], std::byte{1});
    const GgufTensor* b = gguf->find_tensor("b");
    ASSERT_EQ(b->bytes.size(), 12U);
    EXPECT_EQ(b->bytes[0], std::byte{2});
    EXPECT_EQ((b->bytes.data() - reinterpret_cast<const std::byte*>(bytes.data())) % 32, 0);
    EXPECT_EQ(gguf->find_tensor("x"), nullptr);
  }
}

TEST(Gguf, TakesTheAlignmentThatTheFileNames) {
  GgufFile file = make_file();
  file.set("general.alignment", gguf_u32(128));
  file.alignment = 128;
  const std::string bytes = file.bytes();
  const auto gguf = Gguf::parse(as_bytes(bytes), "m.gguf");
  ASSERT_TRUE(gguf.ok()) << gguf.error().message;
  EXPECT_EQ(gguf->find_tensor("b")->bytes[0], std::byte{2});
}

TEST(Gguf, OpensAFileWithoutTensors) {
  GgufFile file;
  file.set("x", gguf_u32(1));
  std::string bytes = file.bytes();
  bytes.resize(24 + 8 + 1 + 4 + 4);  // without the padding before the data
  const auto gguf = Gguf::parse(as_bytes(bytes), "m.gguf");
  ASSERT_TRUE(gguf.ok()) << gguf.error().message;
  EXPECT_TRUE(gguf->tensors().empty());
}

TEST(Gguf, MapsAFile) {
  const testing::TempDir dir;
  std::ofstream(dir.path() / "m.gguf", std::ios::binary) << make_file().bytes();
  auto gguf = Gguf::open(dir.path() / "m.gguf");
  ASSERT_TRUE(gguf.ok()) << gguf.error().message;
  const auto tensor = gguf->find_tensor("w")->bytes;
  const base::MappedFile file = gguf->release_file();
  EXPECT_EQ(tensor[0], std::byte{1});
  const auto missing = Gguf::open(dir.path() / "none.gguf");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
}

struct BadFile {
  const char* title;
  std::function<void(GgufFile&)> damage;
  ErrorCode code;
  const char* message;
};
class GgufBad : public ::testing::TestWithParam<BadFile> {};

TEST_P(GgufBad, IsRefusedWithAMessage) {
  GgufFile file = make_file();
  GetParam().damage(file);
  EXPECT_EQ(message_of(file, GetParam().code), "m.gguf: " + std::string(GetParam().message));
}

constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();

const BadFile kBadKeys[] = {
    {"AnotherMagic", [](GgufFile& f) { f.magic = "GGML"; }, ErrorCode::kBadFormat,
     "expected a GGUF file, found one that begins with \"GGML\"."},
    {"LfsPointer", [](GgufFile& f) { f.magic = "version https://git-lfs.github.com/spec/v1"; },
     ErrorCode::kBadFormat,
     "expected a GGUF file, found a Git LFS pointer to it; fetch it with `git lfs pull`."},
    {"FirstVersion", [](GgufFile& f) { f.version = 1; }, ErrorCode::kUnsupported,
     "expected GGUF of version 2 or 3, found 1."},
    {"LaterVersion", [](GgufFile& f) { f.version = 4; }, ErrorCode::kUnsupported,
     "expected GGUF of version 2 or 3, found 4."},
    {"BigEndian", [](GgufFile& f) { f.version = 0x03000000; }, ErrorCode::kUnsupported,
     "expected a little-endian GGUF file, found a big-endian one."},
    {"EmptyKey", [](GgufFile& f) { f.set("", gguf_u32(1)); }, ErrorCode::kBadFormat,
     "a key: expected 1 to 65535 bytes, found 0."},
    {"KeyTwice", [](GgufFile& f) { f.keys.emplace_back("a.u32", gguf_u32(7)); }, ErrorCode::kBadFormat,
     "key \"a.u32\": expected it once, found it twice."},
    {"UnknownType",
     [](GgufFile& f) { f.set("a.u32", gguf_raw<std::uint32_t>(13) + gguf_raw<std::uint32_t>(0)); },
     ErrorCode::kBadFormat, "key \"a.u32\": expected a type of value from 0 to 12, found 13."},
    {"UnknownElement", [](GgufFile& f) { f.set("a.u32", gguf_array(99, {})); }, ErrorCode::kBadFormat,
     "key \"a.u32\": expected a type of value from 0 to 12, found 99."},
    {"ArrayOfArrays", [](GgufFile& f) { f.set("a.u32", gguf_array(9, {})); }, ErrorCode::kUnsupported,
     "key \"a.u32\": expected an array of numbers or strings, found one of arrays."},
    {"NeitherTrueNorFalse",
     [](GgufFile& f) { f.set("a.bool", gguf_raw<std::uint32_t>(7) + std::string(1, '\2')); },
     ErrorCode::kBadFormat, "key \"a.bool\": expected true or false as a byte of 1 or 0."},
    {"OddAlignment", [](GgufFile& f) { f.set("general.alignment", gguf_u32(48)); }, ErrorCode::kBadFormat,
     "key \"general.alignment\": expected a power of two up to 1048576, found 48."},
    {"NoAlignment", [](GgufFile& f) { f.set("general.alignment", gguf_u32(0)); }, ErrorCode::kBadFormat,
     "key \"general.alignment\": expected a power of two up to 1048576, found 0."},
    {"AlignmentOfText", [](GgufFile& f) { f.set("general.alignment", gguf_text("32")); },
     ErrorCode::kBadFormat,
     "key \"general.alignment\": expected a power of two up to 1048576, found \"32\"."},
};

const BadFile kBadTensors[] = {
    {"NameTwice", [](GgufFile& f) { f.tensors[1].name = "w"; }, ErrorCode::kBadFormat,
     "tensor \"w\": expected it once, found it twice."},
    {"NoDimensions", [](GgufFile& f) { f.tensors[1].shape = {}; }, ErrorCode::kBadFormat,
     "tensor \"b\": expected 1 to 4 dimensions, found 0."},
    {"FiveDimensions",
     [](GgufFile& f) {
       f.tensors[1].shape = {1, 1, 1, 1, 3};
     },
     ErrorCode::kBadFormat, "tensor \"b\": expected 1 to 4 dimensions, found 5."},
    {"ADimensionOfNothing",
     [](GgufFile& f) {
       f.tensors[0].shape = {32, 0};
     },
     ErrorCode::kBadFormat, "tensor \"w\": dimension 1: expected at least 1, found 0."},
    {"TypeNotRead", [](GgufFile& f) { f.tensors[0].type = 21; }, ErrorCode::kUnsupported,
     "tensor \"w\": expected the type F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, "
     "Q5_K, Q6_K, IQ4_NL or IQ4_XS, found type 21, IQ3_S."},
    {"TypeNobodyKnows", [](GgufFile& f) { f.tensors[0].type = 4000; }, ErrorCode::kUnsupported,
     "tensor \"w\": expected the type F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, "
     "Q5_K, Q6_K, IQ4_NL or IQ4_XS, found type 4000."},
    {"RowsOfBrokenBlocks",
     [](GgufFile& f) {
       f.tensors[0].shape = {48, 2};
     },
     ErrorCode::kBadFormat,
     "tensor \"w\": expected rows of a multiple of 32 elements, as Q8_0 has them in its blocks, found 48."},
    {"RowsOfBrokenLargeBlocks",
     [](GgufFile& f) {
       f.tensors[0].shape = {1152, 1};
       f.tensors[0].type = 12;
     },
     ErrorCode::kBadFormat,
     "tensor \"w\": expected rows of a multiple of 256 elements, as Q4_K has them in its blocks, found "
     "1152."},
    {"BytesOverflow",
     [](GgufFile& f) {
       f.tensors[0].shape = {std::uint64_t{1} << 62, 4};
     },
     ErrorCode::kBadFormat,
     "tensor \"w\": shape [4611686018427387904, 4] of Q8_0: expected fewer than 2^64 bytes."},
    {"OffsetNotAligned", [](GgufFile& f) { f.tensors[1].shift = 4; }, ErrorCode::kBadFormat,
     "tensor \"b\": offset: expected a multiple of 32, the file's alignment, found 100."},
    {"TensorsOverlap", [](GgufFile& f) { f.tensors[1].shift = -32; }, ErrorCode::kBadFormat,
     "tensor \"b\": offset: expected at least 68, where the tensor before it ends, found 64."},
    {"BehindTheEnd", [](GgufFile& f) { f.tensors[1].shift = 32; }, ErrorCode::kBadFormat,
     "tensor \"b\": expected 12 bytes at 128, found a file with 128 bytes of tensors, as if it were cut "
     "short."},
    {"FarBehindTheEnd", [](GgufFile& f) { f.tensors[1].shift = static_cast<std::int64_t>(kHuge - 31 - 96); },
     ErrorCode::kBadFormat,
     "tensor \"b\": expected 12 bytes at 18446744073709551584, found a file with 128 bytes of tensors, as if "
     "it "
     "were cut short."},
    {"LargerThanTheFile", [](GgufFile& f) { f.tensors[1].shape = {1000}; }, ErrorCode::kBadFormat,
     "tensor \"b\": expected 4000 bytes at 96, found a file with 128 bytes of tensors, as if it were cut "
     "short."},
};

const auto kTitle = [](const auto& test) { return test.param.title; };
INSTANTIATE_TEST_SUITE_P(Keys, GgufBad, ::testing::ValuesIn(kBadKeys), kTitle);
INSTANTIATE_TEST_SUITE_P(Tensors, GgufBad, ::testing::ValuesIn(kBadTensors), kTitle);

// The bytes with 8 of them at `at` replaced.
std::string with_length(std::string bytes, std::size_t at, std::uint64_t length) {
  std::memcpy(bytes.data() + at, &length, sizeof(length));
  return bytes;
}

TEST(Gguf, RefusesCountsAndLengthsBeyondTheFile) {
  GgufFile file;
  file.set("k", gguf_texts({"ab"}));
  const std::string bytes = file.bytes();
  // The key's length at 24, the type at 33, the array's type at 37, its count at 41, its string's length
  // at 49.
  for (const std::uint64_t length : {std::uint64_t{100}, std::uint64_t{1} << 32, kHuge - 7, kHuge}) {
    for (const std::size_t at : {8U, 16U, 24U, 41U, 49U}) {
      const std::string damaged = with_length(bytes, at, length);
      const auto gguf = Gguf::parse(as_bytes(damaged), "m.gguf");
      ASSERT_FALSE(gguf.ok()) << length << " at " << at;
      EXPECT_EQ(gguf.error().code, ErrorCode::kBadFormat);
    }
  }
  const std::string many = with_length(bytes, 16, 1000);
  EXPECT_EQ(Gguf::parse(as_bytes(many), "m").error().message,
            "m: expected at most 2 keys in the bytes that there are, found a count of 1000.");
}

TEST(Gguf, RefusesAFileCutShortAnywhere) {
  std::vector<std::size_t> boundaries;
  const std::string whole = make_file().bytes(&boundaries);
  ASSERT_TRUE(Gguf::parse(as_bytes(whole), "m").ok());
  boundaries.push_back(0);
  for (const std::size_t boundary : boundaries) {
    for (const std::size_t size : {boundary, boundary + 1, boundary + 3}) {
      const std::string part = whole.substr(0, size);
      const auto gguf = Gguf::parse(as_bytes(part), "m.gguf");
      ASSERT_FALSE(gguf.ok()) << size;
      EXPECT_TRUE(gguf.error().message.starts_with("m.gguf: ")) << gguf.error().message;
    }
  }
  // Only the padding after the last tensor may be missing.
  EXPECT_TRUE(Gguf::parse(as_bytes(whole).first(whole.size() - 20), "m").ok());
  EXPECT_FALSE(Gguf::parse(as_bytes(whole).first(whole.size() - 21), "m").ok());
}

}  // namespace
}  // namespace gemvec::formats
