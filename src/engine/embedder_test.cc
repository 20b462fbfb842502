// The engine on a tiny seeded model of the release's architecture, against a plain forward pass in double
// precision.
#include "gemvec/embedder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <thread>

#include "model/embedding.h"
#include "model/weights.h"
#include "support/random.h"
#include "support/reference_forward.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec {
namespace {

using testing::Random;
using testing::TempDir;
using Ids = std::vector<std::int32_t>;

constexpr std::size_t kVocab = 600;
constexpr std::size_t kWindow = 8;  // the tiny model's sliding layers see |i - j| <= 8

Ids random_ids(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  Ids ids(count);
  for (auto& id : ids) id = static_cast<std::int32_t>(random.next() % kVocab);
  return ids;
}

std::vector<std::span<const std::int32_t>> views(const std::vector<Ids>& texts) {
  return {texts.begin(), texts.end()};
}

class TinyEmbedder : public ::testing::Test {
 protected:
  TinyEmbedder() { testing::write_tiny_model(dir_.path() / "model"); }

  [[nodiscard]] LoadOptions options() const {
    LoadOptions options;
    options.model = dir_.path() / "model";
    options.cache_dir = dir_.path() / "cache";
    options.threads = 2;
    options.dtype = DType::kFp32;
    return options;
  }
  [[nodiscard]] Embedder load(const LoadOptions& options) const {
    auto embedder = Embedder::load(options);
    if (!embedder.ok()) throw std::runtime_error(embedder.error().message);
    return std::move(embedder).value();
  }
  [[nodiscard]] source::ModelSource folder() const { return *source::open_model(dir_.path() / "model"); }

  TempDir dir_;
};

// Lengths on both sides of everything that has an edge: one panel of keys (32), one task of queries (16), the
// window (8 and 2 * 8 + 1), a row block (192).
const std::vector<std::size_t> kLengths = {1,  2,  8,  9,  15, 16,  17,  18,  31, 32,
                                           33, 48, 63, 64, 65, 191, 192, 193, 260};

struct Arithmetic {
  const char* name;
  DType dtype;
  Compute compute;
};

class TinyDeterminism : public TinyEmbedder, public ::testing::WithParamInterface<Arithmetic> {};
class TinyArithmetic : public TinyDeterminism {};

// fp32 arithmetic: 7 layers of sums of at most 192 products; the bound is the project's contract for the
// release.
TEST_P(TinyArithmetic, MatchesDoublePrecisionAtEveryLength) {
  auto load_options = options();
  load_options.dtype = GetParam().dtype;
  load_options.compute = GetParam().compute;
  const Embedder embedder = load(load_options);
  const source::ModelSource model = folder();
  const bool bf16_products = embedder.info().compute == "bf16";
  for (const std::size_t length : kLengths) {
    const Ids ids = random_ids(length, length);
    const std::vector<Ids> texts = {ids};
    const auto found = embedder.embed_ids(views(texts));
    ASSERT_TRUE(found.ok()) << found.error().message;
    const auto expected =
        testing::reference_embedding(model, ids, {.bf16_weights = GetParam().dtype != DType::kFp32});
    double dot = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      dot += found->values[i] * expected[i];
      if (!bf16_products) {
        ASSERT_NEAR(found->values[i], expected[i], 1e-6) << length << " tokens, element " << i;
      }
    }
    // bf16 products: activations rounded to 8 bits put a relative error of 2^-9 / sqrt(3) on each of 28
    // products in a row, 6e-3 together; norms and softmax may multiply it by 5; a vector that is off by 3e-2
    // has a cosine of 1 - 4.5e-4.
    if (bf16_products) {
      ASSERT_GE(dot, 1 - 4.5e-4) << length << " tokens";
    }
  }
}

TEST_P(TinyArithmetic, GivesHiddenStatesOfEveryToken) {
  auto load_options = options();
  load_options.dtype = GetParam().dtype;
  load_options.compute = GetParam().compute;
  const Embedder embedder = load(load_options);
  const std::vector<Ids> texts = {random_ids(5, 1), random_ids(40, 2), random_ids(1, 3)};
  const auto found = embedder.embed_tokens_ids(views(texts));
  ASSERT_TRUE(found.ok()) << found.error().message;
  ASSERT_EQ(found->offsets, (std::vector<std::size_t>{0, 5, 45, 46}));
  ASSERT_EQ(found->width, 64U);
  const source::ModelSource model = folder();
  for (std::size_t text = 0; text < texts.size(); ++text) {
    const auto expected =
        testing::reference_forward(model, texts[text], {.bf16_weights = GetParam().dtype != DType::kFp32})
            .tokens;
    // Hidden states are of order 1 to 10. fp32: relative 1e-5 of that; bf16 products: 8 bits an operand,
    // averaged over a row by 7 layers of residuals.
    const double bound = embedder.info().compute == "bf16" ? 0.2 : 1e-4;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(found->values[found->offsets[text] * found->width + i], expected[i], bound)
          << "text " << text;
    }
  }
}

// The promise of determinism: same bits alone, in company, in any order.
TEST_P(TinyDeterminism, GivesTheSameBitsInAnyBatchAndOrder) {
  auto load_options = options();
  load_options.dtype = GetParam().dtype;
  load_options.compute = GetParam().compute;
  const Embedder embedder = load(load_options);
  std::vector<Ids> texts;
  for (const std::size_t length : kLengths) texts.push_back(random_ids(length, length + 1000));
  texts.push_back(texts[4]);  // equal texts in one batch: the window must hold there too
  const auto together = embedder.embed_ids(views(texts));
  ASSERT_TRUE(together.ok()) << together.error().message;
  auto backwards_texts = texts;
  std::reverse(backwards_texts.begin(), backwards_texts.end());
  const auto backwards = embedder.embed_ids(views(backwards_texts));
  ASSERT_TRUE(backwards.ok()) << backwards.error().message;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::vector<Ids> one = {texts[i]};
    const auto alone = embedder.embed_ids(views(one));
    ASSERT_TRUE(alone.ok()) << alone.error().message;
    const std::size_t bytes = together->dim * sizeof(float);
    ASSERT_EQ(0, std::memcmp(alone->values.data(), together->vector(i).data(), bytes)) << "text " << i;
    ASSERT_EQ(0, std::memcmp(alone->values.data(), backwards->vector(texts.size() - 1 - i).data(), bytes))
        << i;
  }
}

TEST_P(TinyDeterminism, GivesTheSameBitsWithAnyNumberOfThreads) {
  std::vector<Ids> texts;
  for (const std::size_t length : kLengths) texts.push_back(random_ids(length, length + 2000));
  std::vector<float> first;
  for (const unsigned threads : {1U, 2U, 3U, 7U}) {
    auto load_options = options();
    load_options.dtype = GetParam().dtype;
    load_options.compute = GetParam().compute;
    load_options.threads = threads;
    const auto found = load(load_options).embed_ids(views(texts));
    ASSERT_TRUE(found.ok()) << found.error().message;
    if (first.empty()) first = found->values;
    ASSERT_EQ(0, std::memcmp(first.data(), found->values.data(), first.size() * sizeof(float))) << threads;
  }
}

// Accuracy of q8 and q4 is a promise about the release's weights: tests/golden.
class TinyQuantized : public TinyEmbedder, public ::testing::WithParamInterface<DType> {};

TEST_P(TinyQuantized, RefusesToComputeInFp32) {
  auto load_options = options();
  load_options.dtype = GetParam();
  load_options.compute = Compute::kFp32;
  const auto embedder = Embedder::load(load_options);
  ASSERT_FALSE(embedder.ok());
  EXPECT_EQ(embedder.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(embedder.error().message.find(name_of(GetParam())), std::string::npos)
      << embedder.error().message;
}

INSTANTIATE_TEST_SUITE_P(All, TinyQuantized, ::testing::Values(DType::kQ8, DType::kQ4),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST(DTypes, HaveNamesThatAreRead) {
  for (const DType dtype : {DType::kFp32, DType::kBf16, DType::kQ8, DType::kQ4}) {
    const auto found = parse_dtype(name_of(dtype));
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(*found, dtype);
  }
  for (const std::string_view name : {"", "Q8", "q8 ", "int8", "q5"}) {
    const auto found = parse_dtype(name);
    ASSERT_FALSE(found.ok()) << name;
    EXPECT_EQ(found.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(found.error().message.find("fp32, bf16, q8, q4"), std::string::npos) << found.error().message;
  }
}

// The table is not hashed at load: a row's own check has to speak when the row is used, and only then.
TEST_F(TinyEmbedder, ADamagedRowOfThePackedTableIsAnErrorThatNamesIt) {
  auto load_options = options();
  load_options.dtype = DType::kQ4;
  load_options.self_check = false;
  const std::filesystem::path file = load(load_options).info().packed_file;
  const model::Config config = folder().config;
  const auto layout = model::PackedLayout::of(config, model::WeightType::kQ4);
  const model::EmbeddingRows rows(model::Recipe::of(model::WeightType::kQ4), config);
  constexpr std::size_t kRow = 123;
  const std::size_t header = std::filesystem::file_size(file) - layout.bytes;
  const auto at = static_cast<std::streamoff>(header + layout.embedding + rows.offset(kRow) + 5);
  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekg(at);
  const int byte = bytes.get();
  bytes.seekp(at);
  bytes.put(static_cast<char>(byte ^ 4));
  bytes.close();
  const Embedder embedder = load(load_options);
  ASSERT_TRUE(embedder.info().packed_from_cache);
  const std::vector<Ids> untouched = {{2, 122, 124, 1}}, touched = {{2, 122, 1}, {2, 123, 1}};
  EXPECT_TRUE(embedder.embed_ids(views(untouched)).ok());
  for (int again = 0; again < 2; ++again) {
    const auto found = embedder.embed_ids(views(touched));
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code, ErrorCode::kBadFormat);
    EXPECT_NE(found.error().message.find("row 123 "), std::string::npos) << found.error().message;
  }
}

INSTANTIATE_TEST_SUITE_P(All, TinyDeterminism,
                         ::testing::Values(Arithmetic{"Fp32", DType::kFp32, Compute::kNative},
                                           Arithmetic{"Bf16", DType::kBf16, Compute::kNative},
                                           Arithmetic{"Bf16ComputeFp32", DType::kBf16, Compute::kFp32},
                                           Arithmetic{"Q8", DType::kQ8, Compute::kNative},
                                           Arithmetic{"Q4", DType::kQ4, Compute::kNative}),
                         [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(All, TinyArithmetic,
                         ::testing::Values(Arithmetic{"Fp32", DType::kFp32, Compute::kNative},
                                           Arithmetic{"Bf16", DType::kBf16, Compute::kNative},
                                           Arithmetic{"Bf16ComputeFp32", DType::kBf16, Compute::kFp32}),
                         [](const auto& info) { return info.param.name; });

// Off by one in either direction is invisible in a cosine.
TEST_F(TinyEmbedder, WindowReachesExactlyAsFarAsConfigured) {
  // One sliding layer: more of them would carry a change on, from window to window.
  testing::TinyOptions one_layer;
  one_layer.layers = 1;
  testing::write_tiny_model(dir_.path() / "model", one_layer);
  const Embedder embedder = load(options());
  const Ids before = random_ids(40, 5);
  Ids after = before;
  after[20] = (after[20] + 1) % static_cast<std::int32_t>(kVocab);
  const std::vector<Ids> texts = {before, after};
  const auto found = embedder.embed_tokens_ids(views(texts));
  ASSERT_TRUE(found.ok()) << found.error().message;
  for (std::size_t i = 0; i < 40; ++i) {
    const bool same =
        std::memcmp(&found->values[i * 64], &found->values[(40 + i) * 64], 64 * sizeof(float)) == 0;
    const std::size_t distance = i > 20 ? i - 20 : 20 - i;
    EXPECT_EQ(same, distance > kWindow) << "position " << i;
  }
}

TEST_F(TinyEmbedder, VectorsHaveUnitLength) {
  const Embedder embedder = load(options());
  const std::vector<std::string_view> texts = {"", " ", "a", "hello world", "\n\n", "\xFF"};
  const auto found = embedder.embed(texts);
  ASSERT_TRUE(found.ok()) << found.error().message;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    double squares = 0;
    for (const float x : found->vector(i)) squares += static_cast<double>(x) * x;
    EXPECT_NEAR(std::sqrt(squares), 1, 1e-6) << i;
  }
  EXPECT_EQ(found->texts[0].tokens, 2U) << "an empty text is BOS and EOS";
  EXPECT_EQ(found->texts[5].invalid_sequences, 1U);
}

TEST_F(TinyEmbedder, WithoutNormalisationTheLengthIsTheHeads) {
  const Embedder embedder = load(options());
  const Ids ids = random_ids(12, 9);
  const std::vector<Ids> texts = {ids};
  const auto raw = embedder.embed_ids(views(texts), {.normalize = false});
  ASSERT_TRUE(raw.ok()) << raw.error().message;
  const auto expected = testing::reference_forward(folder(), ids).embedding;
  double largest = 0;
  for (const double x : expected) largest = std::max(largest, std::abs(x));
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(raw->values[i], expected[i], 1e-5 * largest);
}

TEST_F(TinyEmbedder, TextsAreTheirIdsAndThePrefixIsPartOfTheText) {
  const Embedder embedder = load(options());
  const std::vector<std::string_view> texts = {"world"};
  const auto by_text = embedder.embed(texts, {.prefix = "hello "});
  const auto ids = embedder.tokenizer().encode("hello world");
  ASSERT_TRUE(by_text.ok() && ids.ok());
  const std::vector<Ids> id_texts = {ids->ids};
  const auto by_ids = embedder.embed_ids(views(id_texts));
  ASSERT_TRUE(by_ids.ok());
  EXPECT_EQ(by_text->values, by_ids->values);
  EXPECT_EQ(by_text->texts[0].tokens, ids->ids.size());
}

TEST_F(TinyEmbedder, LongTextsAreCutAndSaySo) {
  const Embedder embedder = load(options());
  const std::string spaced = [&] {
    std::string out;
    for (int i = 0; i < 3000; ++i) out += "x,";
    return out;
  }();
  const std::vector<std::string_view> texts = {spaced, "short"};
  const auto cut = embedder.embed(texts);
  ASSERT_TRUE(cut.ok()) << cut.error().message;
  EXPECT_EQ(cut->texts[0].tokens, kMaxTokens);
  EXPECT_GT(cut->texts[0].total_tokens, kMaxTokens);
  EXPECT_TRUE(cut->texts[0].truncated);
  EXPECT_FALSE(cut->texts[1].truncated);

  const auto refused = embedder.embed(texts, {.truncate = Truncate::kError});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kTooLong);
  EXPECT_NE(refused.error().message.find("Text 0"), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find("2048"), std::string::npos) << refused.error().message;
}

TEST_F(TinyEmbedder, TheLimitDoesNotChangeAShorterText) {
  const Embedder embedder = load(options());
  const std::vector<std::string_view> texts = {"one two three"};
  const auto reference = embedder.embed(texts);
  ASSERT_TRUE(reference.ok());
  for (const std::size_t limit : {512U, 513U, 1024U, 2048U}) {
    const auto found = embedder.embed(texts, {.max_tokens = limit});
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(found->values, reference->values) << limit;
  }
}

TEST_F(TinyEmbedder, RefusesWhatDoesNotExist) {
  const Embedder embedder = load(options());
  const std::vector<std::string_view> texts = {"a"};
  for (const unsigned dim : {0U, 1U, 64U, 384U, 769U, 100000U}) {
    const auto found = embedder.embed(texts, {.dim = dim});
    ASSERT_FALSE(found.ok()) << dim;
    EXPECT_EQ(found.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(found.error().message.find("768, 512, 256, 128"), std::string::npos) << found.error().message;
  }
  for (const std::size_t limit : {0U, 1U, 2049U})
    EXPECT_FALSE(embedder.embed(texts, {.max_tokens = limit}).ok());

  const std::vector<Ids> bad = {{2, 600, 1}, {2, -1, 1}, {}, Ids(2049, 5)};
  for (const Ids& ids : bad) {
    const std::vector<Ids> one = {{2, 1}, ids};
    const auto found = embedder.embed_ids(views(one));
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(found.error().message.find("Text 1"), std::string::npos) << found.error().message;
  }
}

TEST_F(TinyEmbedder, NothingInNothingOut) {
  const Embedder embedder = load(options());
  const auto found = embedder.embed({});
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->count, 0U);
  EXPECT_TRUE(found->values.empty());
}

TEST_F(TinyEmbedder, GivesVectorsBesideHiddenStatesIfAsked) {
  const Embedder embedder = load(options());
  const std::vector<Ids> texts = {random_ids(5, 1), random_ids(260, 2), random_ids(33, 3)};
  const auto alone = embedder.embed_tokens_ids(views(texts), {});
  ASSERT_TRUE(alone.ok());
  EXPECT_EQ(alone->vectors.count, 0u);
  for (const bool normalize : {true, false}) {
    const auto both = embedder.embed_tokens_ids(views(texts), {.normalize = normalize, .vectors = true});
    ASSERT_TRUE(both.ok());
    EXPECT_EQ(both->values, alone->values);
    EXPECT_EQ(both->vectors.values, embedder.embed_ids(views(texts), {.normalize = normalize})->values);
    EXPECT_EQ(both->vectors.texts.size(), texts.size());
  }
}

TEST_F(TinyEmbedder, TellsHowManyTextsAreDone) {
  const Embedder embedder = load(options());
  const std::vector<Ids> texts(40, random_ids(200, 1));  // 8000 tokens: several micro-batches
  std::vector<std::size_t> told;
  const auto progress = [&](std::size_t done, std::size_t total) {
    EXPECT_EQ(total, texts.size());
    told.push_back(done);
  };
  ASSERT_TRUE(embedder.embed_ids(views(texts), {.progress = progress}).ok());
  ASSERT_GT(told.size(), 1u);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_EQ(told.back(), texts.size());
}

TEST_F(TinyEmbedder, StopsWhenAskedTo) {
  const Embedder embedder = load(options());
  const std::vector<Ids> texts(64, random_ids(200, 1));
  int polls = 0;
  const auto found = embedder.embed_ids(views(texts), {.cancelled = [&] { return ++polls > 2; }});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(polls, 3);
}

TEST_P(TinyDeterminism, WhatGoesFirstBetweenLayersChangesNoBit) {
  auto load_options = options();
  load_options.dtype = GetParam().dtype;
  load_options.compute = GetParam().compute;
  const Embedder embedder = load(load_options);
  const std::vector<Ids> bulk = {random_ids(260, 1), random_ids(33, 2)};
  const std::vector<Ids> urgent = {random_ids(9, 3), random_ids(64, 4)};
  const auto bulk_alone = embedder.embed_ids(views(bulk));
  const auto urgent_alone = embedder.embed_ids(views(urgent));
  ASSERT_TRUE(bulk_alone.ok() && urgent_alone.ok());

  std::size_t calls = 0, inner_calls = 0;
  EmbedOptions inner;
  inner.between_layers = [&] { ++inner_calls; };
  EmbedOptions outer;
  outer.between_layers = [&] {
    ++calls;
    const auto urgent_found = embedder.embed_ids(views(urgent), inner);
    ASSERT_TRUE(urgent_found.ok());
    EXPECT_EQ(urgent_found->values, urgent_alone->values);
  };
  const auto found = embedder.embed_ids(views(bulk), outer);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->values, bulk_alone->values);
  EXPECT_EQ(calls, embedder.info().layers - 1);
  EXPECT_EQ(inner_calls, 0U);
}

TEST_F(TinyEmbedder, FinishesARawVectorAsItFinishesItsOwn) {
  const Embedder embedder = load(options());
  const std::vector<Ids> texts = {random_ids(40, 5)};
  EmbedOptions raw;
  raw.normalize = false;
  const auto head = embedder.embed_ids(views(texts), raw);
  ASSERT_TRUE(head.ok());
  for (const unsigned dim : {768U, 512U, 256U, 128U}) {
    EmbedOptions cut;
    cut.dim = dim;
    const auto expected = embedder.embed_ids(views(texts), cut);
    ASSERT_TRUE(expected.ok());
    std::vector<float> found(expected->dim);  // the tiny model's width, if that is less
    ASSERT_TRUE(finish_vector(head->vector(0), true, found).ok());
    EXPECT_EQ(found, expected->values);
  }
  std::vector<float> zero(8), out(8);
  EXPECT_FALSE(finish_vector(zero, true, out).ok());
}

TEST_F(TinyEmbedder, DamagedWeightsDoNotPassForAnAnswer) {
  constexpr const char* kTable = "embed_tokens.weight";
  for (const DType dtype : {DType::kFp32, DType::kQ8, DType::kQ4}) {
    LoadOptions typed = options();
    typed.dtype = dtype;
    const auto message = [&](const char* tensor, int byte) {
      auto model = testing::make_tiny_model();
      auto& bytes = model.tensor(tensor).bytes;
      std::memset(bytes.data(), byte, tensor == kTable ? bytes.size() : sizeof(float));
      testing::save(model, dir_.path() / "model");
      const auto embedder = Embedder::load(typed);
      return embedder.ok() ? "no error" : embedder.error().message;
    };
    const std::string file = (dir_.path() / "model").string() + ": ";
    // NaNs, of which the one in up_proj becomes codes in q8, and in a down_proj it does not.
    for (const char* tensor : {"layers.3.mlp.down_proj.weight", "layers.3.mlp.up_proj.weight"})
      EXPECT_TRUE(message(tensor, 0xFF).starts_with(file + "layer 3, ")) << message(tensor, 0xFF);
    // Of the table rows are read when a text has them, but in q4.
    const char* expected = dtype == DType::kQ4 ? "the embedding table: expected finite" : "not finite";
    EXPECT_NE(message(kTable, 0xFF).find(expected), std::string::npos) << message(kTable, 0xFF);
  }
}

TEST_F(TinyEmbedder, SaysThatTheseAreNotTheReleasesWeights) {
  const ModelInfo info = load(options()).info();
  EXPECT_EQ(info.check, WeightsCheck::kDifferent);
  EXPECT_GT(info.check_max_abs_diff, 0.01);
  auto unchecked = options();
  unchecked.self_check = false;
  EXPECT_EQ(load(unchecked).info().check, WeightsCheck::kNotRun);
}

// What ThreadSanitizer watches: many callers, one engine.
TEST_F(TinyEmbedder, ManyThreadsMayCallAtOnce) {
  const Embedder embedder = load(options());
  std::vector<Ids> texts;
  for (std::size_t i = 0; i < 6; ++i) texts.push_back(random_ids(5 + 11 * i, i));
  const auto expected = embedder.embed_ids(views(texts));
  ASSERT_TRUE(expected.ok());
  std::vector<std::thread> threads;
  std::atomic<int> equal{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) {
        const auto found = embedder.embed_ids(views(texts));
        if (found.ok() && found->values == expected->values && embedder.info().threads == 2) ++equal;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(equal, 40);
}

}  // namespace
}  // namespace gemvec
