// The C API on a tiny seeded model: that it gives what the C++ API gives, and refuses what it cannot.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "gemvec/embedder.h"
#include "gemvec/gemvec.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec {
namespace {

gemvec_text text(std::string_view view) { return {view.data(), view.size()}; }

struct ModelDeleter {
  void operator()(gemvec_model* model) const { gemvec_model_free(model); }
};
struct ResultDeleter {
  void operator()(gemvec_result* result) const { gemvec_result_free(result); }
};
using Model = std::unique_ptr<gemvec_model, ModelDeleter>;
using Answer = std::unique_ptr<gemvec_result, ResultDeleter>;

class CApi : public ::testing::Test {
 protected:
  CApi() {
    testing::TinyOptions tiny;
    tiny.width = 768;  // the dimensions that users may ask for
    testing::write_tiny_model(dir_.path() / "model", tiny);
    path_ = (dir_.path() / "model").string();
    cache_ = (dir_.path() / "cache").string();
    gemvec_load_options options = load_options();
    gemvec_model* model = nullptr;
    if (gemvec_model_load(&options, &model) != GEMVEC_OK) throw std::runtime_error(gemvec_last_message());
    model_.reset(model);
  }

  [[nodiscard]] gemvec_load_options load_options() const {
    gemvec_load_options options{};
    options.struct_size = sizeof options;
    options.model = path_.c_str();
    options.cache_dir = cache_.c_str();
    options.threads = 2;
    options.dtype = GEMVEC_DTYPE_FP32;
    return options;
  }
  [[nodiscard]] Embedder same_in_cpp() const {
    LoadOptions options;
    options.model = path_;
    options.cache_dir = cache_;
    options.threads = 2;
    options.dtype = DType::kFp32;
    return std::move(Embedder::load(options)).value();
  }
  [[nodiscard]] Answer embed_padded(const std::vector<std::int64_t>& ids,
                                    const std::vector<std::int64_t>& mask, std::size_t rows,
                                    gemvec_embed_options options) const {
    gemvec_result* out = nullptr;
    status_ = gemvec_embed_padded(model_.get(), ids.data(), mask.empty() ? nullptr : mask.data(), rows,
                                  ids.size() / rows, &options, &out);
    return Answer(out);
  }

  testing::TempDir dir_;
  std::string path_, cache_;
  Model model_;
  mutable gemvec_status status_ = GEMVEC_OK;
};

gemvec_embed_options embed_options(std::uint32_t outputs = 0) {
  gemvec_embed_options options{};
  options.struct_size = sizeof options;
  options.outputs = outputs;
  return options;
}

std::vector<float> vectors_of(const Answer& answer) {
  const float* data = gemvec_result_vectors(answer.get());
  return {data, data + gemvec_result_count(answer.get()) * gemvec_result_dim(answer.get())};
}

std::vector<float> tokens_of(const Answer& answer) {
  const float* data = gemvec_result_tokens(answer.get());
  return {data, data + gemvec_result_token_rows(answer.get()) * GEMVEC_WIDTH};
}

constexpr std::uint32_t kBoth = GEMVEC_OUTPUT_VECTORS | GEMVEC_OUTPUT_TOKENS;

TEST_F(CApi, GivesTheVectorsOfTheCppApi) {
  const Embedder embedder = same_in_cpp();
  const std::vector<std::string_view> texts = {"one", "", "a longer text of some words"};
  const std::vector<gemvec_text> given = {text(texts[0]), text(texts[1]), text(texts[2])};
  for (const unsigned dim : {768U, 128U}) {
    for (const bool raw : {false, true}) {
      for (const std::uint32_t outputs : {std::uint32_t{GEMVEC_OUTPUT_VECTORS}, kBoth}) {
        gemvec_embed_options options = embed_options(outputs);
        options.dim = dim;
        options.raw = raw ? 1 : 0;
        options.task = text("STS");
        gemvec_result* out = nullptr;
        ASSERT_EQ(gemvec_embed(model_.get(), given.data(), given.size(), &options, &out), GEMVEC_OK);
        const Answer answer(out);
        const std::string prefix = embedder.prompts().prefix("STS").value();
        const auto expected = embedder.embed(texts, {.prefix = prefix, .dim = dim, .normalize = !raw});
        EXPECT_EQ(vectors_of(answer), expected->values);
        EXPECT_EQ(gemvec_result_texts(out)[2].tokens, expected->texts[2].tokens);
      }
    }
  }
}

TEST_F(CApi, PaddingChangesNoBitAndHiddenStatesAreZeroThere) {
  const std::vector<std::int64_t> short_row = {2, 9, 11, 1};
  const std::vector<std::int64_t> long_row = {2, 30, 31, 32, 33, 1};
  const Answer first = embed_padded(short_row, {}, 1, embed_options(kBoth));
  const Answer second = embed_padded(long_row, {}, 1, embed_options(kBoth));
  for (const std::size_t before : {0, 1, 2}) {  // padding of 2 in all
    std::vector<std::int64_t> ids(6, 0);
    std::vector<std::int64_t> mask(6, 0);
    std::copy(short_row.begin(), short_row.end(), ids.begin() + static_cast<std::ptrdiff_t>(before));
    std::fill_n(mask.begin() + static_cast<std::ptrdiff_t>(before), short_row.size(), 1);
    ids.front() = before == 0 ? ids.front() : 999'999;  // nobody looks at what padding is
    ids.insert(ids.end(), long_row.begin(), long_row.end());
    mask.insert(mask.end(), long_row.size(), 1);
    const Answer both = embed_padded(ids, mask, 2, embed_options(kBoth));
    ASSERT_EQ(status_, GEMVEC_OK) << gemvec_last_message();
    std::vector<float> vectors = vectors_of(first);
    for (const float value : vectors_of(second)) vectors.push_back(value);
    EXPECT_EQ(vectors_of(both), vectors);
    std::vector<float> tokens(before * GEMVEC_WIDTH, 0.0F);
    for (const float value : tokens_of(first)) tokens.push_back(value);
    tokens.resize(std::size_t{6} * GEMVEC_WIDTH, 0.0F);
    for (const float value : tokens_of(second)) tokens.push_back(value);
    EXPECT_EQ(tokens_of(both), tokens);
    EXPECT_EQ(gemvec_result_offsets(both.get())[1], 6U);
    EXPECT_EQ(gemvec_result_token_rows(both.get()), 12U);
    const Answer vectors_alone = embed_padded(ids, mask, 2, embed_options());
    EXPECT_EQ(vectors_of(vectors_alone), vectors);
    EXPECT_EQ(gemvec_result_tokens(vectors_alone.get()), nullptr);
  }
}

TEST_F(CApi, RefusesRectanglesThatAreNoTextsAndNamesTheTensorAndTheIndices) {
  struct Case {
    std::vector<std::int64_t> ids, mask;
    const char* message;
  };
  const std::vector<Case> cases = {
      {{2, 5, 1, 2, 5, 1}, {1, 1, 1, 0, 0, 0}, "attention_mask[1]: has no 1"},
      {{2, 5, 1, 2, 5, 1}, {1, 1, 1, 1, 0, 1}, "attention_mask[1, 2]: is 1 behind a 0 at 1"},
      {{2, 5, 1, 2, 5, 1}, {1, 1, 1, 1, 7, 0}, "attention_mask[1, 1] 7: expected 0 or 1"},
      {{2, 5, 1, 2, 600, 1}, {}, "input_ids[1, 1] 600: expected 0 to 599"},
      {{2, 5, 1, 2, -1, 1}, {}, "input_ids[1, 1] -1"},
      {{2, 5, 1, 2, INT64_MIN, 1}, {}, "input_ids[1, 1] -9223372036854775808"},
      {{2, 5, 1, 2, (std::int64_t{1} << 32) + 5, 1}, {}, "input_ids[1, 1] 4294967301"},
  };
  for (const Case& item : cases) {
    const Answer answer = embed_padded(item.ids, item.mask, 2, embed_options());
    EXPECT_EQ(status_, GEMVEC_INVALID_ARGUMENT);
    EXPECT_EQ(answer, nullptr);
    EXPECT_NE(std::string(gemvec_last_message()).find(item.message), std::string::npos)
        << gemvec_last_message();
  }
  std::vector<std::int64_t> long_row(3000, 5);
  (void)embed_padded(long_row, {}, 1, embed_options());
  EXPECT_EQ(status_, GEMVEC_INVALID_ARGUMENT);
  EXPECT_STREQ(gemvec_last_message(), "input_ids[0]: 3000 tokens, expected 2048 at most.");
  std::vector<std::int64_t> mask(3000, 0);  // a wide rectangle with a short text in it is good
  mask[2999] = 1;
  EXPECT_NE(embed_padded(long_row, mask, 1, embed_options()), nullptr);
}

TEST_F(CApi, RefusesNullAndNonsenseEverywhere) {
  gemvec_result* result = nullptr;
  const gemvec_text one = text("one");
  EXPECT_EQ(gemvec_embed(nullptr, &one, 1, nullptr, &result), GEMVEC_INVALID_ARGUMENT);
  EXPECT_EQ(gemvec_embed(model_.get(), nullptr, 1, nullptr, &result), GEMVEC_INVALID_ARGUMENT);
  EXPECT_EQ(gemvec_embed(model_.get(), &one, 1, nullptr, nullptr), GEMVEC_INVALID_ARGUMENT);
  const gemvec_text broken = {nullptr, 3};
  EXPECT_EQ(gemvec_embed(model_.get(), &broken, 1, nullptr, &result), GEMVEC_INVALID_ARGUMENT);
  EXPECT_STREQ(gemvec_last_message(), "texts[0]: data is NULL, but size is 3.");
  const auto refused = [&](auto change) {
    gemvec_embed_options options = embed_options();
    change(options);
    EXPECT_EQ(gemvec_embed(model_.get(), &one, 1, &options, &result), GEMVEC_INVALID_ARGUMENT);
    EXPECT_EQ(result, nullptr);
    return std::string(gemvec_last_message());
  };
  EXPECT_NE(refused([](auto& o) { o.struct_size = 0; }).find("struct_size 0"), std::string::npos);
  refused([](auto& o) { o.struct_size = sizeof o + 8; });
  refused([](auto& o) { o.outputs = 4; });
  EXPECT_NE(refused([](auto& o) { o.dim = 100; }).find("dim 100"), std::string::npos);
  refused([](auto& o) { o.truncate = 9; });
  refused([](auto& o) { o.control_text = -1; });
  EXPECT_NE(refused([](auto& o) { o.max_tokens = 4000; }).find("max_tokens 4000"), std::string::npos);
  refused([](auto& o) { o.max_tokens = 1; });
  refused([](auto& o) { o.task = text("no such task"); });
  refused([](auto& o) { o.task = o.prompt = text("STS"); });
  refused([](auto& o) { o.title = text("a title without a task"); });
  EXPECT_EQ(gemvec_result_vectors(nullptr), nullptr);
  EXPECT_EQ(gemvec_result_count(nullptr), 0U);
  gemvec_model_free(nullptr);
  gemvec_result_free(nullptr);
  gemvec_tokens_free(nullptr);
  gemvec_tokenizer_free(nullptr);
  gemvec_free(nullptr);
}

TEST_F(CApi, TakesOptionsOfAnEarlierHeader) {
  gemvec_embed_options options = embed_options();
  options.dim = 256;
  options.struct_size = offsetof(gemvec_embed_options, raw);
  options.raw = 1;  // behind the end: not there
  const gemvec_text one = text("one");
  gemvec_result* out = nullptr;
  ASSERT_EQ(gemvec_embed(model_.get(), &one, 1, &options, &out), GEMVEC_OK);
  const Answer answer(out);
  double squares = 0;
  for (const float value : vectors_of(answer)) squares += static_cast<double>(value) * value;
  EXPECT_EQ(gemvec_result_dim(out), 256U);
  EXPECT_NEAR(squares, 1, 1e-6);
}

TEST_F(CApi, SaysWhatIsWrongWithAModel) {
  gemvec_load_options options = load_options();
  gemvec_model* model = nullptr;
  options.model = "no/such/folder";
  EXPECT_EQ(gemvec_model_load(&options, &model), GEMVEC_NOT_FOUND);
  EXPECT_NE(std::string(gemvec_last_message()).find("no/such/folder"), std::string::npos);
  options.model = nullptr;
  EXPECT_EQ(gemvec_model_load(&options, &model), GEMVEC_INVALID_ARGUMENT);
  EXPECT_EQ(gemvec_model_load(nullptr, &model), GEMVEC_INVALID_ARGUMENT);
  options = load_options();
  options.dtype = 17;
  EXPECT_EQ(gemvec_model_load(&options, &model), GEMVEC_INVALID_ARGUMENT);
  testing::write_text(dir_.path() / "broken.gguf", "no GGUF at all");
  const std::string broken = (dir_.path() / "broken.gguf").string();
  options = load_options();
  options.model = broken.c_str();
  EXPECT_EQ(gemvec_model_load(&options, &model), GEMVEC_BAD_FORMAT);
  EXPECT_EQ(model, nullptr);
}

TEST_F(CApi, ManyThreadsGetTheBitsOfOne) {
  constexpr std::size_t kThreads = 8;
  constexpr std::size_t kCalls = 40;
  const auto text_of = [](std::size_t i) { return std::string(i % 37, 'a') + std::to_string(i); };
  std::vector<std::vector<float>> expected;
  const auto call = [&](std::size_t i, const gemvec_embed_options& options) {
    const std::string one = text_of(i);
    const gemvec_text given = text(one);
    gemvec_result* out = nullptr;
    EXPECT_EQ(gemvec_embed(model_.get(), &given, 1, &options, &out), GEMVEC_OK) << gemvec_last_message();
    return vectors_of(Answer(out));
  };
  const auto options_of = [](std::size_t i) {
    gemvec_embed_options options = embed_options();
    options.dim = i % 3 == 0 ? 256 : 768;
    options.raw = i % 5 == 0 ? 1 : 0;
    return options;
  };
  for (std::size_t i = 0; i < kThreads * kCalls; ++i) expected.push_back(call(i, options_of(i)));
  std::atomic<int> refused = 0;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = t * kCalls; i < (t + 1) * kCalls; ++i) {
        EXPECT_EQ(call(i, options_of(i)), expected[i]);
        // One call's bad id is no other call's error.
        const std::int32_t bad[] = {2, 100'000, 1};
        const gemvec_ids list = {bad, 3};
        gemvec_result* out = nullptr;
        if (gemvec_embed_ids(model_.get(), &list, 1, nullptr, &out) == GEMVEC_INVALID_ARGUMENT) ++refused;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(refused.load(), static_cast<int>(kThreads * kCalls));
}

TEST_F(CApi, AShortCallDoesNotWaitForTheEndOfALongOne) {
  struct Indexing {
    std::atomic<bool> begun = false, enough = false, ended = false;
  } long_call;
  const std::string long_text(4000, 'x');
  const std::vector<gemvec_text> texts(40, text(long_text));  // many micro-batches
  std::int32_t status = GEMVEC_OK;
  std::thread indexing([&] {
    gemvec_embed_options options = embed_options();
    options.user = &long_call;
    options.progress = [](void* user, std::size_t, std::size_t) {
      static_cast<Indexing*>(user)->begun = true;
    };
    options.cancelled = [](void* user) { return static_cast<Indexing*>(user)->enough ? 1 : 0; };
    gemvec_result* out = nullptr;
    status = gemvec_embed(model_.get(), texts.data(), texts.size(), &options, &out);
    long_call.ended = true;
    gemvec_result_free(out);
  });
  while (!long_call.begun) std::this_thread::yield();
  const gemvec_text one = text("one");
  int answered = 0;
  std::vector<float> first;
  while (!long_call.ended && answered < 5) {
    gemvec_result* out = nullptr;
    EXPECT_EQ(gemvec_embed(model_.get(), &one, 1, nullptr, &out), GEMVEC_OK);
    const Answer answer(out);
    if (first.empty()) first = vectors_of(answer);
    EXPECT_EQ(vectors_of(answer), first);
    if (!long_call.ended) ++answered;
  }
  long_call.enough = true;
  indexing.join();
  EXPECT_EQ(answered, 5);
  EXPECT_EQ(status, GEMVEC_CANCELLED);  // it had not ended before the short ones were answered
}

TEST_F(CApi, StopsWhenAskedTo) {
  int asked = 0;
  gemvec_embed_options options = embed_options();
  options.user = &asked;
  options.cancelled = [](void* user) { return ++*static_cast<int*>(user) > 1 ? 1 : 0; };
  const std::string long_text(3000, 'x');
  const std::vector<gemvec_text> texts(20, text(long_text));
  gemvec_result* out = nullptr;
  EXPECT_EQ(gemvec_embed(model_.get(), texts.data(), texts.size(), &options, &out), GEMVEC_CANCELLED);
  EXPECT_EQ(asked, 2);
  const gemvec_text one = text("one");
  EXPECT_EQ(gemvec_embed(model_.get(), &one, 1, &options, &out), GEMVEC_CANCELLED);
  EXPECT_EQ(out, nullptr);
}

// The thread sanitizer's run-time library does not let a process with threads fork and go on.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GEMVEC_TEST_WITHOUT_FORK
#endif
#endif
#ifndef GEMVEC_TEST_WITHOUT_FORK
TEST_F(CApi, AForkedChildIsToldToLoadTheModelItself) {
  const pid_t child = fork();
  if (child == 0) {
    const gemvec_text one = text("one");
    gemvec_result* out = nullptr;
    const bool refused = gemvec_embed(model_.get(), &one, 1, nullptr, &out) == GEMVEC_UNSUPPORTED;
    gemvec_model_free(model_.release());
    gemvec_load_options options = load_options();
    gemvec_model* own = nullptr;
    const bool loaded = gemvec_model_load(&options, &own) == GEMVEC_OK &&
                        gemvec_embed(own, &one, 1, nullptr, &out) == GEMVEC_OK;
    _exit(refused && loaded ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}
#endif

TEST_F(CApi, SimilarityIsThatOfTheDefinition) {
  const std::vector<float> a = {1, 0, 3, 4};
  const std::vector<float> b = {0, 2, 3, 4, 0, 0};
  std::vector<float> out(6);
  ASSERT_EQ(gemvec_similarity(GEMVEC_COSINE, a.data(), 2, b.data(), 3, 2, out.data()), GEMVEC_OK);
  EXPECT_EQ(out, (std::vector<float>{0, 0.6F, 0, 0.8F, 1, 0}));
  ASSERT_EQ(gemvec_similarity(GEMVEC_DOT, a.data(), 2, b.data(), 3, 2, out.data()), GEMVEC_OK);
  EXPECT_EQ(out, (std::vector<float>{0, 3, 0, 8, 25, 0}));
  ASSERT_EQ(gemvec_similarity_pairwise(GEMVEC_EUCLIDEAN, a.data(), b.data(), 2, 2, out.data()), GEMVEC_OK);
  EXPECT_EQ(out[0], -std::sqrt(5.0F));
  ASSERT_EQ(gemvec_similarity_pairwise(GEMVEC_MANHATTAN, a.data(), b.data(), 2, 2, out.data()), GEMVEC_OK);
  EXPECT_EQ(out[0], -3);
  EXPECT_EQ(gemvec_similarity(7, a.data(), 2, b.data(), 3, 2, out.data()), GEMVEC_INVALID_ARGUMENT);
  EXPECT_EQ(gemvec_similarity(GEMVEC_DOT, nullptr, 2, b.data(), 3, 2, out.data()), GEMVEC_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace gemvec
