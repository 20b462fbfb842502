// The oracle itself, against numbers that other programs computed: a tiny model's from NumPy, the
// release's from transformers.
#include "support/reference_forward.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "support/model_dir.h"
#include "support/number_types.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec::testing {
namespace {

// Both programs computed in fp32; the largest element is 0.2.
constexpr double kTolerance = 1e-6;

void expect_beginning(const std::vector<double>& vector, const std::vector<double>& expected) {
  double squares = 0;
  for (const double value : vector) squares += value * value;
  EXPECT_NEAR(squares, 1, 1e-12);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(vector[i], expected[i], kTolerance) << i;
}

TEST(ReferenceForward, GivesTheTinyModelsVectorsAsNumpyDoes) {
  const TempDir dir;
  write_tiny_model(dir.path());
  const auto folder = source::open_model(dir.path());
  ASSERT_TRUE(folder.ok()) << folder.error().message;
  std::vector<std::int32_t> ids = {2};
  for (int i = 0; i < 40; ++i) ids.push_back(i * 37 % 600);
  ids.push_back(1);
  expect_beginning(reference_embedding(*folder, ids),
                   {-0.07365607, -0.07480851, 0.16097952, -0.06782515, 0.1515849, -0.00114087});
  expect_beginning(reference_embedding(*folder, ids, {.bf16_weights = true}),
                   {-0.07478292, -0.07309235, 0.16227594, -0.06848713, 0.15167268, -0.00081452});
}

TEST(ReferenceForward, CutsToADimensionAndScalesAgain) {
  const TempDir dir;
  write_tiny_model(dir.path());
  const auto folder = source::open_model(dir.path());
  ASSERT_TRUE(folder.ok()) << folder.error().message;
  const std::vector<std::int32_t> ids = {2, 500, 1};
  const auto whole = reference_embedding(*folder, ids);
  const auto cut = reference_embedding(*folder, ids, {}, 32);
  ASSERT_EQ(cut.size(), 32U);
  EXPECT_NEAR(cut[0] / cut[31], whole[0] / whole[31], 1e-9);
  expect_beginning(cut, {});
}

TEST(ReferenceForward, GivesTheReleasesVectorOfTheCardsQuestion) {
  const auto folder = source::open_model(model_dir());
  ASSERT_TRUE(folder.ok()) << folder.error().message << " Run `gemvec pull`, or set GEMVEC_MODEL.";
  const model::Config release;
  EXPECT_EQ(folder->config.layers, release.layers);
  EXPECT_EQ(folder->config.window, release.window);
  EXPECT_EQ(folder->config.dense_width, release.dense_width);
  EXPECT_TRUE(folder->notes.empty());
  // "task: search result | query: Which planet is known as the Red Planet?"
  const std::vector<std::int32_t> ids = {2,     8071, 236787, 3927, 1354, 1109, 7609,  236787, 15311,
                                         13401, 563,  3224,   618,  506,  4855, 38342, 236881, 1};
  expect_beginning(reference_embedding(*folder, ids), {-0.15890457, 0.04216537, 0.0293766, 0.04030469,
                                                       0.01243802, -0.00520824, 0.03519551, -0.04582345});
}

TEST(NumberTypes, Bf16RoundsToNearestAndTiesToEven) {
  EXPECT_EQ(to_bf16(1.0F), 0x3F80);
  EXPECT_EQ(to_bf16(-2.0F), 0xC000);
  EXPECT_EQ(to_bf16(1.0F + 1.0F / 256), 0x3F80);  // halfway between 1 and 1 + 2^-7: to even
  EXPECT_EQ(to_bf16(1.0F + 3.0F / 256), 0x3F82);  // halfway again: up to even
  EXPECT_EQ(to_bf16(1.0F + 1.01F / 256), 0x3F81);
  EXPECT_EQ(from_bf16(0x3F81), 1.0F + 1.0F / 128);
}

TEST(NumberTypes, F16RoundsToNearestAndTiesToEven) {
  EXPECT_EQ(to_f16(0.0F), 0x0000);
  EXPECT_EQ(to_f16(-0.0F), 0x8000);
  EXPECT_EQ(to_f16(1.0F), 0x3C00);
  EXPECT_EQ(to_f16(1.0F + 1.0F / 2048), 0x3C00);
  EXPECT_EQ(to_f16(1.0F + 3.0F / 2048), 0x3C02);
  EXPECT_EQ(to_f16(65504.0F), 0x7BFF);
  EXPECT_EQ(to_f16(65519.0F), 0x7BFF);
  EXPECT_EQ(to_f16(65520.0F), 0x7C00);
  EXPECT_EQ(to_f16(std::ldexp(1.0F, -24)), 0x0001);  // the smallest subnormal
  EXPECT_EQ(to_f16(std::ldexp(1.0F, -25)), 0x0000);  // half of it: to even
  EXPECT_EQ(to_f16(std::ldexp(1.0F, -14)), 0x0400);  // the smallest normal
  EXPECT_EQ(to_f16(std::ldexp(2047.5F, -25)), 0x0400);
  for (std::uint32_t bits = 0; bits < 0x7C00; ++bits)
    EXPECT_EQ(to_f16(from_f16(static_cast<std::uint16_t>(bits))), bits);
  EXPECT_EQ(from_f16(0xFC00), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(from_f16(0x7E00)));
}

}  // namespace
}  // namespace gemvec::testing
