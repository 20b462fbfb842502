// What users have been bitten by elsewhere, on the real weights: batches, windows, limits, control strings,
// dimensions.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "gemvec/diagnostics.h"
#include "gemvec/embedder.h"
#include "golden_cases.h"
#include "support/model_dir.h"
#include "support/random.h"

namespace gemvec {
namespace {

using Ids = std::vector<std::int32_t>;

LoadOptions options(unsigned threads) {
  LoadOptions options;
  options.model = testing::model_dir();
  options.threads = threads;
  return options;
}

const Embedder& embedder() {
  static const auto loaded = Embedder::load(options(0));
  if (!loaded.ok()) throw std::runtime_error(loaded.error().message);
  return *loaded;
}

Ids random_ids(std::size_t count, std::uint64_t seed) {
  testing::Random random(seed);
  Ids ids(count, 2);
  for (std::size_t i = 1; i + 1 < count; ++i)
    ids[i] = static_cast<std::int32_t>(500 + random.next() % 200000);
  if (count > 1) ids.back() = 1;
  return ids;
}

std::vector<std::span<const std::int32_t>> views(const std::vector<Ids>& texts) {
  return {texts.begin(), texts.end()};
}

std::vector<float> vectors(const Embedder& from, const std::vector<Ids>& texts) {
  auto found = from.embed_ids(views(texts));
  if (!found.ok()) throw std::runtime_error(found.error().message);
  return std::move(found->values);
}

std::vector<float> vector(std::string_view text, const EmbedOptions& options = {}) {
  const std::vector<std::string_view> texts = {text};
  auto found = embedder().embed(texts, options);
  if (!found.ok()) throw std::runtime_error(found.error().message);
  return std::move(found->values);
}

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// Lengths around the window's edges, equal lengths side by side, and a short text beside long ones (whose
// padded window would be all padding elsewhere).
const std::vector<std::size_t> kLengths = {2, 18, 142, 255, 256, 257, 258, 513, 514, 600, 600, 728};

// The bits of one text are its own, whatever the weights are kept in.
class SameBits : public ::testing::TestWithParam<DType> {
 protected:
  static Embedder load(unsigned threads) {
    LoadOptions quantized = options(threads);
    quantized.dtype = GetParam();
    auto loaded = Embedder::load(quantized);
    if (!loaded.ok()) throw std::runtime_error(loaded.error().message);
    return std::move(loaded).value();
  }
};

TEST_P(SameBits, AloneInABatchAndInAnyOrder) {
  const Embedder embedder = load(0);
  std::vector<Ids> texts;
  for (std::size_t i = 0; i < kLengths.size(); ++i) texts.push_back(random_ids(kLengths[i], kLengths[i]));
  ASSERT_EQ(texts[9], texts[10]);
  const auto together = vectors(embedder, texts);
  auto reversed = texts;
  std::reverse(reversed.begin(), reversed.end());
  const auto backwards = vectors(embedder, reversed);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto alone = vectors(embedder, {texts[i]});
    ASSERT_EQ(0, std::memcmp(alone.data(), &together[i * 768], 768 * sizeof(float))) << kLengths[i];
    ASSERT_EQ(0, std::memcmp(alone.data(), &backwards[(texts.size() - 1 - i) * 768], 768 * sizeof(float)))
        << kLengths[i];
  }
}

TEST_P(SameBits, WithAnyNumberOfThreads) {
  std::vector<Ids> texts;
  for (const std::size_t length : kLengths) texts.push_back(random_ids(length, length + 1));
  const auto expected = vectors(load(1), texts);
  for (const unsigned threads : {2U, 3U}) {
    const auto found = vectors(load(threads), texts);
    ASSERT_EQ(0, std::memcmp(expected.data(), found.data(), found.size() * sizeof(float)))
        << threads << " threads";
  }
}

INSTANTIATE_TEST_SUITE_P(All, SameBits, ::testing::Values(DType::kBf16, DType::kQ8),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST(Behaviour, EveryDimensionIsTheFullVectorCutAndOfUnitLength) {
  const std::string_view text = "title: none | text: Small vectors from one model";
  const auto full = vector(text);
  for (const unsigned dim : {768U, 512U, 256U, 128U}) {
    const auto cut = vector(text, {.dim = dim});
    ASSERT_EQ(cut.size(), dim);
    EXPECT_NEAR(std::sqrt(dot(cut, cut)), 1, 1e-6) << dim;
    const auto head = std::span(full).first(dim);
    const double length = std::sqrt(dot(head, head));
    for (std::size_t i = 0; i < dim; ++i) ASSERT_NEAR(cut[i], full[i] / length, 1e-7) << dim;
  }
}

TEST(Behaviour, TextsWithoutWordsHaveVectorsToo) {
  for (const std::string_view text : {"", " ", "\n", "\t\t\t", "a", "\xE2\x80\x8B", "\xFF\xFE"}) {
    const auto found = vector(text);
    EXPECT_NEAR(std::sqrt(dot(found, found)), 1, 1e-6);
  }
}

TEST(Behaviour, TheLimitIs2048TokensWithEos) {
  std::string text;
  for (int i = 0; i < 6000; ++i) text += "word ";
  const auto ids = embedder().tokenizer().encode(text);
  ASSERT_TRUE(ids.ok());
  ASSERT_EQ(ids->ids.size(), 2048U);
  EXPECT_EQ(ids->ids.front(), 2);
  EXPECT_EQ(ids->ids.back(), 1);
  EXPECT_GT(ids->total_tokens, 5000U);
  // Cutting is the same whoever does it.
  EXPECT_EQ(vector(text), vectors(embedder(), {ids->ids}));
}

TEST(Behaviour, AnImageTokenInATextIsText) {
  const std::string_view text = "before <image_soft_token> after";
  const auto ids = embedder().tokenizer().encode(text);
  ASSERT_TRUE(ids.ok());
  for (const std::int32_t id : ids->ids) EXPECT_LT(id, 262144);
  EXPECT_NEAR(dot(vector(text), vector(text)), 1, 1e-6);
  // As an id it does not exist.
  const std::vector<Ids> bad = {{2, 262144, 1}};
  EXPECT_FALSE(embedder().embed_ids(views(bad)).ok());
}

TEST(Behaviour, PromptsMakeADifference) {
  const auto query = embedder().prompts().prefix("retrieval-query");
  ASSERT_TRUE(query.ok());
  EXPECT_LT(dot(vector("red planet"), vector("red planet", {.prefix = *query})), 0.99);
}

// The mean of the hidden states is not the vector: the dense layers turn it by almost a right angle. A
// runtime that leaves them out gives plausible similarities and wrong ones.
TEST(Behaviour, TheVectorIsTheMeanThroughTheDenseLayers) {
  const std::vector<std::string_view> texts = {"title: none | text: tokens", "another"};
  const auto tokens = embedder().embed_tokens(texts);
  ASSERT_TRUE(tokens.ok()) << tokens.error().message;
  ASSERT_EQ(tokens->width, 768U);
  ASSERT_EQ(tokens->offsets.size(), 3U);
  ASSERT_EQ(tokens->values.size(), tokens->offsets.back() * 768);
  for (std::size_t text = 0; text < texts.size(); ++text) {
    std::vector<float> mean(768, 0.0F);
    for (std::size_t row = tokens->offsets[text]; row < tokens->offsets[text + 1]; ++row) {
      for (std::size_t i = 0; i < 768; ++i) mean[i] += tokens->values[row * 768 + i];
    }
    EXPECT_LT(std::abs(dot(mean, vector(texts[text])) / std::sqrt(dot(mean, mean))), 0.2);
  }
}

TEST(Behaviour, VerifySaysThatThisBuildIsRight) {
  const auto report = verify(embedder());
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_TRUE(report->ok);
  for (const auto& item : report->cases) EXPECT_TRUE(item.ok) << item.name << " " << item.max_abs_diff;
  EXPECT_EQ(report->cases.size(), 8U);
}

}  // namespace
}  // namespace gemvec
