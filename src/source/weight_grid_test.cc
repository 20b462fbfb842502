// Weights on the grid of a block format are recognised, and encoding loses nothing of them.
#include "source/weight_grid.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/numbers.h"
#include "gemvec/convert.h"
#include "model/weights.h"
#include "support/random.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec::source {
namespace {

using gemvec::testing::Random;
using gemvec::testing::TinyModel;
using gemvec::testing::TinyTensor;

constexpr std::size_t kBlock = 32;

enum class Steps { kFp16, kFp32 };

// Codes from `low` to `high` in every block, with another step each.
std::vector<float> numbers_on_grid(std::size_t count, int low, int high, Steps steps, Random& random) {
  std::vector<float> numbers(count);
  for (std::size_t at = 0; at < count; at += kBlock) {
    // Normal numbers of fp16, of both signs.
    float d = (random.next() % 2 == 0 ? -0.01F : 0.01F) * static_cast<float>(0.1 + random.uniform());
    if (steps == Steps::kFp16) d = base::from_f16(base::to_f16(d));
    const auto codes = static_cast<unsigned>(high - low + 1);
    for (std::size_t i = 0; i < kBlock; ++i) {
      // The lowest code is there, as the format's own rounding has it.
      const int code = i == 3 ? low : low + static_cast<int>(random.next() % codes);
      numbers[at + i] = d * static_cast<float>(code);
    }
  }
  return numbers;
}

bool is_matrix(const TinyTensor& tensor) { return tensor.shape.size() == 2; }

void put(TinyTensor& tensor, const std::vector<float>& numbers) {
  std::memcpy(tensor.bytes.data(), numbers.data(), tensor.bytes.size());
}

class OnGrid : public ::testing::Test {
 protected:
  // A model whose matrices are all made by `numbers`, of a count.
  template <class Numbers>
  TinyModel model_of(Numbers&& numbers) {
    TinyModel model = testing::make_tiny_model();
    for (auto* tensors : {&model.tensors, &model.dense2_tensors, &model.dense3_tensors}) {
      for (TinyTensor& tensor : *tensors) {
        if (is_matrix(tensor)) put(tensor, numbers(tensor.shape[0] * tensor.shape[1]));
      }
    }
    return model;
  }
  TinyModel model_on_grid(int low, int high, Steps steps = Steps::kFp16) {
    return model_of([&](std::size_t count) { return numbers_on_grid(count, low, high, steps, random_); });
  }
  WeightGrid find(const TinyModel& model) {
    testing::save(model, dir_.path() / "model");
    const auto source = open_model(dir_.path() / "model");
    EXPECT_TRUE(source.ok());
    base::ThreadPool pool(2);
    return find_weight_grid(*source, pool);
  }

  testing::TempDir dir_;
  Random random_{17};
};

void expect_same(const model::RawTensor& a, const model::RawTensor& b) {
  ASSERT_EQ(std::pair(a.rows, a.cols), std::pair(b.rows, b.cols));
  std::vector<float> x(a.cols), y(a.cols);
  for (std::size_t row = 0; row < a.rows; ++row) {
    model::read_row(a, row, false, x.data());
    model::read_row(b, row, false, y.data());
    for (std::size_t i = 0; i < a.cols; ++i) {
      // The bits, but that a code of 0 has the sign of the step.
      ASSERT_EQ(std::bit_cast<std::uint32_t>(x[i] + 0.0F), std::bit_cast<std::uint32_t>(y[i] + 0.0F));
    }
  }
}

TEST_F(OnGrid, WeightsTrainedForQ4ComeThroughQuantisationToTheBit) {
  const WeightGrid grid = find(model_on_grid(-8, 7));
  EXPECT_EQ(grid.type, "Q4_0");
  EXPECT_EQ(grid.fit, GridFit::kExact);
  EXPECT_EQ(grid.table_fit, GridFit::kExact);

  const auto made = convert_model({.model = dir_.path() / "model",
                                   .output = dir_.path() / "q4.gguf",
                                   .target = ConvertTarget::kGguf,
                                   .numbers = ConvertNumbers::kQ4});
  ASSERT_TRUE(made.ok()) << made.error().message;
  const auto before = open_model(dir_.path() / "model"), after = open_model(dir_.path() / "q4.gguf");
  ASSERT_TRUE(before.ok() && after.ok());
  const model::RawWeights &a = before->weights, &b = after->weights;
  for (std::size_t i = 0; i < a.layers.size(); ++i) {
    for (const auto part :
         {&model::RawLayer::q, &model::RawLayer::k, &model::RawLayer::v, &model::RawLayer::o,
          &model::RawLayer::gate, &model::RawLayer::up, &model::RawLayer::down})
      expect_same(a.layers[i].*part, b.layers[i].*part);
  }
  expect_same(a.dense2, b.dense2);
  expect_same(a.dense3, b.dense3);
  expect_same(a.embedding, b.embedding);
}

TEST_F(OnGrid, WeightsTrainedForQ8AreTold) {
  const WeightGrid grid = find(model_on_grid(-127, 127));
  EXPECT_EQ(grid.type, "Q8_0");
  EXPECT_EQ(grid.fit, GridFit::kExact);
  EXPECT_EQ(grid.table_fit, GridFit::kExact);
}

TEST_F(OnGrid, OneNumberBesideTheGridIsSeen) {
  TinyModel model = model_on_grid(-8, 7);
  std::vector<std::byte>& bytes = model.dense3_tensors.back().bytes;
  // Of the last block the number with the lowest code: not 0.
  std::byte* at = bytes.data() + bytes.size() - (kBlock - 3) * sizeof(float);
  float on = 0;
  std::memcpy(&on, at, sizeof(on));
  const auto with = [&](float value) {
    std::memcpy(at, &value, sizeof(value));
    return find(model);
  };
  EXPECT_EQ(with(on).fit, GridFit::kExact);
  EXPECT_EQ(with(std::nextafter(on, 1.0F)).fit, GridFit::kRounded);
  EXPECT_EQ(with(on * 1.1F).type, "");
}

// Checkpoints in bf16 have d * q rounded: the file keeps the codes, and says that the numbers move.
TEST_F(OnGrid, RoundedGridsAreNotCalledLossless) {
  TinyModel model = model_of([&](std::size_t count) {
    auto numbers = numbers_on_grid(count, -8, 7, Steps::kFp16, random_);
    for (float& x : numbers) x = base::from_bf16(base::to_bf16(x));
    return numbers;
  });
  WeightGrid grid = find(model);
  EXPECT_EQ(grid.type, "Q4_0");
  EXPECT_EQ(grid.fit, GridFit::kRounded);
  // Steps that an fp16 does not hold.
  grid = find(model_on_grid(-8, 7, Steps::kFp32));
  EXPECT_EQ(grid.type, "Q4_0");
  EXPECT_EQ(grid.fit, GridFit::kRounded);
}

TEST_F(OnGrid, AnEmbeddingTableBesideTheGridIsTold) {
  TinyModel model = model_on_grid(-8, 7);
  for (TinyTensor& tensor : model.tensors) {
    if (tensor.name != "embed_tokens.weight") continue;
    std::vector<float> numbers(tensor.shape[0] * tensor.shape[1]);
    for (float& x : numbers) x = random_.gaussian();
    put(tensor, numbers);
  }
  const WeightGrid grid = find(model);
  EXPECT_EQ(grid.fit, GridFit::kExact);
  EXPECT_EQ(grid.table_fit, GridFit::kNone);
}

TEST_F(OnGrid, OtherWeightsStandOnNone) {
  EXPECT_EQ(find(testing::make_tiny_model()).type, "");
  TinyModel model = model_on_grid(-8, 7);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(model.tensor("layers.3.mlp.down_proj.weight").bytes.data(), &nan, sizeof(nan));
  EXPECT_EQ(find(model).type, "");
}

}  // namespace
}  // namespace gemvec::source
