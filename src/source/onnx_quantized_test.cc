// Weights in codes, in every form in which ONNX files have them: each number is (code - zero point) * scale
// in fp32, exactly.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "support/onnx_testing.h"
#include "support/random.h"

namespace gemvec::source {
namespace {

using namespace onnx_testing;  // NOLINT: a test's own helpers
using gemvec::testing::Random;

constexpr std::int64_t kFfn = 96, kWidth = 64, kVocab = 600;  // gate is [96, 64]

std::vector<int> random_codes(std::int64_t count, int from, int below, std::uint64_t seed) {
  Random random(seed);
  std::vector<int> codes(static_cast<std::size_t>(count));
  for (int& code : codes) code = from + static_cast<int>(random.next() % static_cast<unsigned>(below - from));
  return codes;
}

// Some negative, as writers of symmetric blocks make them.
std::vector<float> random_scales(std::int64_t count) {
  Random random(5);
  std::vector<float> scales(static_cast<std::size_t>(count));
  for (float& scale : scales) scale = 0.01F * random.gaussian();
  return scales;
}

std::string bytes_of_codes(const std::vector<int>& codes) {
  std::string bytes;
  for (const int code : codes) bytes += static_cast<char>(code);
  return bytes;
}

// Two in a byte, the first in the low half; rows of `cols`, each filled up to whole bytes.
std::string nibbles(const std::vector<int>& codes, std::int64_t cols) {
  std::string bytes;
  for (std::size_t at = 0; at < codes.size(); at += static_cast<std::size_t>(cols)) {
    for (std::int64_t c = 0; c < cols; c += 2) {
      const int low = codes[at + static_cast<std::size_t>(c)] & 15;
      const int high = c + 1 < cols ? codes[at + static_cast<std::size_t>(c) + 1] & 15 : 0;
      bytes += static_cast<char>(low | high << 4);
    }
  }
  return bytes;
}

// value(row, col) of a matrix [rows, cols] in the engine's order.
using Value = std::function<float(std::int64_t, std::int64_t)>;

void expect_values(const model::RawTensor& raw, std::int64_t rows, std::int64_t cols, const Value& value) {
  ASSERT_EQ(raw.rows, static_cast<std::size_t>(rows));
  ASSERT_EQ(raw.cols, static_cast<std::size_t>(cols));
  ASSERT_EQ(raw.type, model::RawType::kRows);
  const std::vector<float> found = numbers_of(raw);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c)
      ASSERT_EQ(found[static_cast<std::size_t>(r * cols + c)], value(r, c)) << r << ", " << c;
  }
}

void expect_gate(const TinyOnnx& onnx, const Value& value, const char* numbers) {
  const auto source = onnx.open();
  ASSERT_TRUE(source.ok()) << source.error().message;
  EXPECT_EQ(source->numbers, std::string("fp32 and ") + numbers);
  expect_values(source->weights.layers[2].gate, kFfn, kWidth, value);
}

void expect_table(const TinyOnnx& onnx, const Value& value, const char* numbers) {
  const auto source = onnx.open();
  ASSERT_TRUE(source.ok()) << source.error().message;
  EXPECT_EQ(source->numbers, std::string(numbers) + " and fp32");
  expect_values(source->weights.embedding, kVocab, kWidth, value);
}

constexpr const char* kGate = "2.gate";

std::string input_of(OnnxSpec& spec, const char* node) { return spec.node(node).inputs[0]; }

// "w", "s" and "z" in the place of the gate's weight [in, out]; one scale, or one for each output.
struct Columns {
  std::vector<int> codes, zeros;
  std::vector<float> scales;
  bool is_signed, per_output;

  Columns(OnnxSpec& spec, bool with_sign, bool many) : is_signed(with_sign), per_output(many) {
    const int from = is_signed ? -128 : 0;
    codes = random_codes(kWidth * kFfn, from, from + 256, 1);
    zeros = random_codes(per_output ? kFfn : 1, from, from + 256, 2);
    scales = random_scales(per_output ? kFfn : 1);
    const std::int32_t type = is_signed ? kInt8 : kUint8;
    const std::vector<std::int64_t> dims = per_output ? std::vector{kFfn} : std::vector<std::int64_t>();
    remove_tensor(spec, kGate);
    spec.tensors.push_back(make_tensor("w", type, {kWidth, kFfn}, bytes_of_codes(codes)));
    spec.tensors.push_back(make_tensor("z", type, dims, bytes_of_codes(zeros)));
    spec.tensors.push_back(make_floats("s", scales, dims));
  }

  [[nodiscard]] float at(std::int64_t out, std::int64_t in) const {
    const auto i = static_cast<std::size_t>(per_output ? out : 0);
    return static_cast<float>(codes[static_cast<std::size_t>(in * kFfn + out)] - zeros[i]) * scales[i];
  }
};

class OnnxColumns : public ::testing::TestWithParam<std::tuple<bool, bool>> {
 protected:
  TinyOnnx onnx_;
  OnnxSpec& spec_ = onnx_.spec;
  std::string x_ = input_of(spec_, kGate);
  Columns columns_{spec_, std::get<0>(GetParam()), std::get<1>(GetParam())};

  void expect() {
    expect_gate(
        onnx_, [this](std::int64_t out, std::int64_t in) { return columns_.at(out, in); }, "q8");
  }
};

TEST_P(OnnxColumns, OfIntegerProducts) {
  replace(spec_, kGate,
          {{"DynamicQuantizeLinear", {x_}, {"xq", "xs", "xz"}, {}, "", ""},
           {"MatMulInteger", {"xq", "w", "xz", "z"}, {"p"}, {}, "", ""},
           {"Cast", {"p"}, {"f"}, {{"to", std::int64_t{1}}}, "", ""},
           {"Mul", {"xs", "s"}, {"both"}, {}, "", ""},
           {"Mul", {"f", "both"}, {}, {}, "", ""}});
  expect();
}

TEST_P(OnnxColumns, OfIntegerProductsScaledInTurn) {
  replace(spec_, kGate,
          {{"DynamicQuantizeLinear", {x_}, {"xq", "xs", "xz"}, {}, "", ""},
           {"MatMulInteger", {"xq", "w", "xz", "z"}, {"p"}, {}, "", ""},
           {"Cast", {"p"}, {"f"}, {{"to", std::int64_t{1}}}, "", ""},
           {"Mul", {"xs", "f"}, {"g"}, {}, "", ""},
           {"Mul", {"g", "s"}, {}, {}, "", ""}});
  expect();
}

TEST_P(OnnxColumns, OfFusedIntegerProducts) {
  replace(spec_, kGate, {{"DynamicQuantizeMatMul", {x_, "w", "s", "z"}, {}, {}, "com.microsoft", ""}});
  expect();
}

TEST_P(OnnxColumns, OfIntegerProductsToFloat) {
  replace(spec_, kGate,
          {{"DynamicQuantizeLinear", {x_}, {"xq", "xs", "xz"}, {}, "", ""},
           {"MatMulIntegerToFloat", {"xq", "w", "xs", "s", "xz", "z"}, {}, {}, "com.microsoft", ""}});
  expect();
}

TEST_P(OnnxColumns, OfDequantizedWeights) {
  replace(spec_, kGate,
          {{"DequantizeLinear", {"w", "s", "z"}, {"d"}, {}, "", ""}, {"MatMul", {x_, "d"}, {}, {}, "", ""}});
  expect();
}

TEST_P(OnnxColumns, WithoutZeroPointsHaveZero) {
  replace(spec_, kGate,
          {{"DequantizeLinear", {"w", "s"}, {"d"}, {{"axis", std::int64_t{-1}}}, "", ""},
           {"MatMul", {x_, "d"}, {}, {}, "", ""}});
  remove_tensor(spec_, "z");
  std::fill(columns_.zeros.begin(), columns_.zeros.end(), 0);
  expect();
}

INSTANTIATE_TEST_SUITE_P(Types, OnnxColumns, ::testing::Combine(::testing::Bool(), ::testing::Bool()),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param) ? "Signed" : "Unsigned") +
                                  (std::get<1>(test.param) ? "PerOutput" : "PerTensor");
                         });

TEST(OnnxQuantized, BlocksOfDequantizeLinearAlongEitherAxis) {
  for (const std::int64_t axis : {0, 1}) {
    TinyOnnx onnx;
    const std::string x = input_of(onnx.spec, kGate);
    const std::int64_t rows = axis == 0 ? kWidth / 32 : kWidth, cols = axis == 0 ? kFfn : kFfn / 32;
    const auto codes = random_codes(kWidth * kFfn, -8, 8, 1), zeros = random_codes(rows * cols, -8, 8, 2);
    const auto scales = random_scales(rows * cols);
    remove_tensor(onnx.spec, kGate);
    onnx.spec.tensors.push_back(make_tensor("w", kInt4, {kWidth, kFfn}, nibbles(codes, kWidth * kFfn)));
    onnx.spec.tensors.push_back(make_tensor("z", kInt4, {rows, cols}, nibbles(zeros, rows * cols)));
    onnx.spec.tensors.push_back(make_floats("s", scales, {rows, cols}));
    replace(onnx.spec, kGate,
            {{"DequantizeLinear",
              {"w", "s", "z"},
              {"d"},
              {{"axis", axis}, {"block_size", std::int64_t{32}}},
              "",
              ""},
             {"MatMul", {x, "d"}, {}, {}, "", ""}});
    expect_gate(
        onnx,
        [&](std::int64_t out, std::int64_t in) {
          const auto at = static_cast<std::size_t>(axis == 0 ? in / 32 * cols + out : in * cols + out / 32);
          return static_cast<float>(codes[static_cast<std::size_t>(in * kFfn + out)] - zeros[at]) *
                 scales[at];
        },
        "q4");
  }
}

struct Blocks {
  std::int64_t bits, block;
  enum Zeros { kNone, kCodes, kFloats } zeros;
  bool half_scales;
};

class OnnxBlocks : public ::testing::TestWithParam<Blocks> {};

TEST_P(OnnxBlocks, OfMatMulNBits) {
  const std::int64_t bits = GetParam().bits, block = GetParam().block;
  const Blocks::Zeros kind = GetParam().zeros;
  const bool half = GetParam().half_scales;
  const std::int64_t count = (kWidth + block - 1) / block, stored = count * block;
  const auto codes = random_codes(kFfn * stored, 0, 1 << bits, 1),
             zeros = random_codes(kFfn * count, 0, 1 << bits, 2);
  const std::vector<float> zero_floats = random_scales(kFfn * count);
  std::vector<float> scales = random_scales(kFfn * count);
  std::vector<std::uint16_t> halves;
  for (float& scale : scales) {
    if (!half) continue;
    halves.push_back(gemvec::testing::to_f16(scale));
    scale = gemvec::testing::from_f16(halves.back());
  }
  TinyOnnx onnx;
  OnnxSpec& spec = onnx.spec;
  const std::string x = input_of(spec, kGate);
  remove_tensor(spec, kGate);
  spec.tensors.push_back(make_tensor("w", kUint8, {kFfn, count, block * bits / 8},
                                     bits == 8 ? bytes_of_codes(codes) : nibbles(codes, stored)));
  spec.tensors.push_back(half ? make_tensor("s", kFloat16, {kFfn * count}, bytes_of(halves))
                              : make_floats("s", scales, {kFfn, count}));
  std::vector<std::string> inputs = {x, "w", "s"};
  if (kind == Blocks::kCodes) {
    const std::int64_t row = bits == 8 ? count : (count + 1) / 2;
    spec.tensors.push_back(
        make_tensor("z", kUint8, {kFfn * row}, bits == 8 ? bytes_of_codes(zeros) : nibbles(zeros, count)));
    inputs.emplace_back("z");
  } else if (kind == Blocks::kFloats) {
    spec.tensors.push_back(make_floats("z", zero_floats, {kFfn, count}));
    inputs.emplace_back("z");
  }
  replace(spec, kGate,
          {{"MatMulNBits",
            inputs,
            {},
            {{"K", kWidth}, {"N", kFfn}, {"bits", bits}, {"block_size", block}},
            "com.microsoft",
            ""}});
  const auto value = [&](std::int64_t out, std::int64_t in) {
    const auto at = static_cast<std::size_t>(out * count + in / block);
    float zero = bits == 4 ? 8 : 128;
    if (kind == Blocks::kCodes) zero = static_cast<float>(zeros[at]);
    if (kind == Blocks::kFloats) zero = zero_floats[at];
    return (static_cast<float>(codes[static_cast<std::size_t>(out * stored + in)]) - zero) * scales[at];
  };
  expect_gate(onnx, value, bits == 8 ? "q8" : "q4");
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, OnnxBlocks,
    ::testing::Values(Blocks{4, 32, Blocks::kNone, false}, Blocks{4, 32, Blocks::kCodes, false},
                      Blocks{4, 16, Blocks::kFloats, true}, Blocks{4, 64, Blocks::kCodes, true},
                      Blocks{4, 256, Blocks::kCodes,
                             false},  // one block, longer than the row, and half a byte
                      Blocks{8, 32, Blocks::kNone, true}, Blocks{8, 128, Blocks::kCodes, false}));

struct Table {
  const char* title;
  std::int32_t type;
  std::int64_t bits;
  bool with_zeros;
  int default_zero;
};

class OnnxTables : public ::testing::TestWithParam<Table> {};

TEST_P(OnnxTables, OfGatherBlockQuantized) {
  const Table& p = GetParam();
  constexpr std::int64_t kBlock = 16, kCount = kWidth / kBlock;
  const int from = p.type == kInt4 ? -8 : 0, below = p.type == kInt4 ? 8 : 1 << p.bits;
  const auto codes = random_codes(kVocab * kWidth, from, below, 1),
             zeros = random_codes(kVocab * kCount, from, below, 2);
  const auto scales = random_scales(kVocab * kCount);
  const bool is_bytes = p.type == kUint8;
  const std::int64_t packed = is_bytes ? 8 / p.bits : 1;
  const auto pack = [&](const std::vector<int>& values, std::int64_t cols) {
    return p.bits == 8 ? bytes_of_codes(values) : nibbles(values, cols);
  };
  TinyOnnx onnx;
  OnnxSpec& spec = onnx.spec;
  remove_tensor(spec, "embed");
  spec.tensors.push_back(make_tensor("w", p.type, {kVocab, kWidth / packed}, pack(codes, kWidth)));
  spec.tensors.push_back(make_floats("s", scales, {kVocab, kCount}));
  std::vector<std::string> inputs = {"w", "input_ids", "s"};
  if (p.with_zeros) {
    spec.tensors.push_back(make_tensor("z", p.type, {kVocab, kCount / packed}, pack(zeros, kCount)));
    inputs.emplace_back("z");
  }
  replace(spec, "embed",
          {{"GatherBlockQuantized",
            inputs,
            {},
            {{"block_size", kBlock}, {"bits", p.bits}},
            "com.microsoft",
            ""}});
  const auto value = [&](std::int64_t row, std::int64_t col) {
    const auto at = static_cast<std::size_t>(row * kCount + col / kBlock);
    const int zero = p.with_zeros ? zeros[at] : p.default_zero;
    return static_cast<float>(codes[static_cast<std::size_t>(row * kWidth + col)] - zero) * scales[at];
  };
  expect_table(onnx, value, p.bits == 8 ? "q8" : "q4");
}

INSTANTIATE_TEST_SUITE_P(
    Types, OnnxTables,
    ::testing::Values(Table{"Int4", kInt4, 4, false, 0}, Table{"Int4Zeros", kInt4, 4, true, 0},
                      Table{"Uint4", kUint4, 4, false, 0}, Table{"Uint4Zeros", kUint4, 4, true, 0},
                      Table{"Nibbles", kUint8, 4, false, 8}, Table{"NibblesZeros", kUint8, 4, true, 8},
                      Table{"Bytes", kUint8, 8, false, 128}, Table{"BytesZeros", kUint8, 8, true, 128}),
    [](const auto& test) { return test.param.title; });

TEST(OnnxQuantized, TablesDequantizedBeforeOrAfterTheLookup) {
  for (const bool before : {true, false}) {
    TinyOnnx onnx;
    const auto codes = random_codes(kVocab * kWidth, 0, 256, 1);
    remove_tensor(onnx.spec, "embed");
    onnx.spec.tensors.push_back(make_tensor("w", kUint8, {kVocab, kWidth}, bytes_of_codes(codes)));
    onnx.spec.tensors.push_back(make_tensor("z", kUint8, {}, "\x64"));
    onnx.spec.tensors.push_back(make_floats("s", {0.01F}));
    if (before) {
      replace(onnx.spec, "embed",
              {{"DequantizeLinear", {"w", "s", "z"}, {"d"}, {}, "", ""},
               {"Gather", {"d", "input_ids"}, {}, {}, "", ""}});
    } else {
      replace(onnx.spec, "embed",
              {{"Gather", {"w", "input_ids"}, {"g"}, {}, "", ""},
               {"DequantizeLinear", {"g", "s", "z"}, {}, {}, "", ""}});
    }
    const auto value = [&](std::int64_t row, std::int64_t col) {
      return static_cast<float>(codes[static_cast<std::size_t>(row * kWidth + col)] - 100) * 0.01F;
    };
    expect_table(onnx, value, "q8");
  }
}

TEST(OnnxQuantized, TablesWithAScaleForEachRow) {
  TinyOnnx onnx;
  const auto codes = random_codes(kVocab * kWidth, -127, 128, 1);
  const auto scales = random_scales(kVocab);
  remove_tensor(onnx.spec, "embed");
  onnx.spec.tensors.push_back(make_tensor("w", kInt8, {kVocab, kWidth}, bytes_of_codes(codes)));
  onnx.spec.tensors.push_back(make_floats("s", scales, {kVocab, 1}));
  replace(onnx.spec, "embed",
          {{"Gather", {"s", "input_ids"}, {"rows"}, {}, "", ""},
           {"Gather", {"w", "input_ids"}, {"g"}, {}, "", ""},
           {"Cast", {"g"}, {"f"}, {{"to", std::int64_t{kFloat}}}, "", ""},
           {"Mul", {"f", "rows"}, {}, {}, "", ""}});
  const auto value = [&](std::int64_t row, std::int64_t col) {
    return static_cast<float>(codes[static_cast<std::size_t>(row * kWidth + col)]) *
           scales[static_cast<std::size_t>(row)];
  };
  expect_table(onnx, value, "q8");
}

// The table as MatMulNBits has it: [width, vocab], and the vocabulary no whole number of blocks.
TEST(OnnxQuantized, TablesOfProductsWithRowsOfZerosAndAOne) {
  constexpr std::int64_t kBlock = 32, kCount = (kVocab + kBlock - 1) / kBlock, kStored = kCount * kBlock;
  TinyOnnx onnx;
  const auto codes = random_codes(kWidth * kStored, 0, 16, 1);
  const auto scales = random_scales(kWidth * kCount);
  remove_tensor(onnx.spec, "embed");
  onnx.spec.tensors.push_back(
      make_tensor("w", kUint8, {kWidth, kCount, kBlock / 2}, nibbles(codes, kStored)));
  onnx.spec.tensors.push_back(make_floats("s", scales, {kWidth * kCount}));
  replace(onnx.spec, "embed",
          {{"OneHot", {"input_ids", "root", "root"}, {"hot"}, {}, "", ""},
           {"MatMulNBits",
            {"hot", "w", "s"},
            {},
            {{"K", kVocab}, {"N", kWidth}, {"bits", std::int64_t{4}}, {"block_size", kBlock}},
            "com.microsoft",
            ""}});
  const auto value = [&](std::int64_t row, std::int64_t col) {
    const int code = codes[static_cast<std::size_t>(col * kStored + row)];
    return static_cast<float>(code - 8) * scales[static_cast<std::size_t>(col * kCount + row / kBlock)];
  };
  expect_table(onnx, value, "q4");
}

TEST(OnnxQuantized, RotaryTablesMayBeCodes) {
  TinyOnnx onnx;
  const auto table = onnx_testing::floats_of(onnx.spec.tensor("cos_full").bytes);
  std::string codes;
  for (const float value : table) codes += static_cast<char>(std::lround(value * 127));
  onnx.spec.tensor("cos_full").type = kInt8;
  onnx.spec.tensor("cos_full").bytes = codes;
  onnx.spec.tensors.push_back(make_floats("s", {1.0F / 127}));
  for (auto& node : onnx.spec.nodes)
    std::replace(node.inputs.begin(), node.inputs.end(), std::string("cos_full"), std::string("cosines"));
  onnx.spec.nodes.insert(onnx.spec.nodes.begin(),
                         {"DequantizeLinear", {"cos_full", "s"}, {"cosines"}, {}, "", ""});
  EXPECT_EQ(onnx.message(), "no error");
}

}  // namespace
}  // namespace gemvec::source
