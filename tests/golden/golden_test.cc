// The numerical contract on the real weights, for the instruction set that GEMVEC_ISA names.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "gemvec/diagnostics.h"
#include "gemvec/embedder.h"
#include "golden_cases.h"
#include "support/model_dir.h"

namespace gemvec {
namespace {

// The plain C++ kernels are a twentieth as fast: there, texts of up to 300 tokens, which is past the
// attention window.
constexpr std::size_t kScalarTokens = 300;
// Where an instruction set has no bf16 products, "native" over bf16 weights is "--compute fp32", which has a
// test of its own: short texts are then enough.
constexpr std::size_t kShortTokens = 40;

struct Arithmetic {
  const char* name;
  DType dtype;
  Compute compute;
};

class Golden : public ::testing::TestWithParam<Arithmetic> {};

TEST_P(Golden, VectorsAreTheReleases) {
  LoadOptions options;
  options.model = testing::model_dir();
  options.dtype = GetParam().dtype;
  options.compute = GetParam().compute;
  const auto embedder = Embedder::load(options);
  ASSERT_TRUE(embedder.ok()) << embedder.error().message;
  const ModelInfo info = embedder->info();
  EXPECT_EQ(info.check, WeightsCheck::kRelease) << "the check at load, off by " << info.check_max_abs_diff;

  std::vector<testing::GoldenCase> cases = testing::golden_cases();
  ASSERT_EQ(cases.size(), 67U);
  const bool same_as_fp32 =
      GetParam().dtype == DType::kBf16 && GetParam().compute == Compute::kNative && info.compute == "fp32";
  const std::size_t limit = same_as_fp32 ? kShortTokens : info.isa == "scalar" ? kScalarTokens : kMaxTokens;
  std::erase_if(cases, [&](const auto& item) { return item.ids.size() > limit; });
  ASSERT_EQ(cases.size(), same_as_fp32 ? 57U : info.isa == "scalar" ? 63U : 67U);
  std::vector<std::string_view> texts;
  for (const auto& item : cases) texts.emplace_back(item.text);
  const auto found = embedder->embed(texts);
  ASSERT_TRUE(found.ok()) << found.error().message;
  double worst = 0;
  double lowest = 1;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(found->texts[i].tokens, cases[i].ids.size()) << cases[i].text.substr(0, 60);
    const auto& expected = GetParam().dtype == DType::kFp32 ? cases[i].fp32 : cases[i].bf16;
    double dot = 0;
    for (std::size_t j = 0; j < 768; ++j) {
      const double value = found->vector(i)[j];
      dot += value * expected[j];
      worst = std::max(worst, std::abs(value - expected[j]));
      if (info.compute == "fp32") {
        // Each element: a cosine hides the erf form of GELU (3.5e-5 here), and more.
        ASSERT_NEAR(value, expected[j], 1e-6) << cases[i].ids.size() << " tokens, element " << j;
      }
    }
    EXPECT_GE(dot, 0.9999) << cases[i].ids.size() << " tokens";
    lowest = std::min(lowest, dot);
  }
  std::printf("%s, %s arithmetic over %s: largest difference %.2e, lowest cosine %.7f\n", info.isa.c_str(),
              info.compute.c_str(), info.dtype.c_str(), worst, lowest);
}

INSTANTIATE_TEST_SUITE_P(All, Golden,
                         ::testing::Values(Arithmetic{"Fp32", DType::kFp32, Compute::kNative},
                                           Arithmetic{"Bf16", DType::kBf16, Compute::kNative},
                                           Arithmetic{"Bf16ComputeFp32", DType::kBf16, Compute::kFp32}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace gemvec
