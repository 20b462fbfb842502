// The batcher on the tiny model: the same bits as alone, whoever shares the micro-batch.
#include "server/batch/batcher.h"

#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <thread>
#include <utility>

#include "support/random.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec::server {
namespace {

using gemvec::testing::Random;
using Ids = std::vector<std::int32_t>;
using Answer = std::vector<Computed>;

constexpr std::size_t kVocab = 600;

Ids random_ids(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  Ids ids(count);
  for (auto& id : ids) id = static_cast<std::int32_t>(random.next() % kVocab);
  return ids;
}

class BatcherTest : public ::testing::Test {
 protected:
  BatcherTest() : embedder_(load()) {}

  Embedder load() {
    gemvec::testing::write_tiny_model(dir_.path() / "model");
    LoadOptions options;
    options.model = dir_.path() / "model";
    options.cache_dir = dir_.path() / "cache";
    options.threads = 2;
    options.self_check = false;
    auto embedder = Embedder::load(options);
    if (!embedder.ok()) throw std::runtime_error(embedder.error().message);
    return std::move(embedder).value();
  }

  [[nodiscard]] std::vector<float> alone(const Ids& ids) const {
    const std::vector<std::span<const std::int32_t>> texts = {ids};
    EmbedOptions options;
    options.normalize = false;
    return embedder_.embed_ids(texts, options)->values;
  }

  // A job whose answer the future gives; nothing at all if the client has gone.
  static std::pair<BatchJob, std::future<Answer>> job(std::vector<Ids> ids) {
    auto answer = std::make_shared<std::promise<Answer>>();
    std::future<Answer> future = answer->get_future();
    BatchJob job;
    job.ids = std::move(ids);
    job.cancellation = std::make_shared<Cancellation>();
    job.done = [answer](Answer computed) { answer->set_value(std::move(computed)); };
    job.dropped = [answer] { answer->set_value({}); };
    return {std::move(job), std::move(future)};
  }

  gemvec::testing::TempDir dir_;
  Metrics metrics_{2048};
  Embedder embedder_;
};

TEST_F(BatcherTest, GivesTheBitsOfTheTextAlone) {
  Batcher batcher(embedder_, {}, metrics_);
  std::vector<std::vector<Ids>> requests;
  for (std::uint64_t i = 0; i < 24; ++i) {
    requests.push_back({random_ids(2 + i * 7, i)});
    if (i % 3 == 0) requests.back().push_back(random_ids(200, i + 100));
  }
  std::vector<std::future<Answer>> answers(requests.size());
  std::vector<std::thread> clients;
  for (std::size_t c = 0; c < 4; ++c) {
    clients.emplace_back([&, c] {
      for (std::size_t i = c; i < requests.size(); i += 4) {
        auto [one, future] = job(requests[i]);
        answers[i] = std::move(future);
        ASSERT_TRUE(batcher.submit(std::move(one)));
      }
    });
  }
  for (std::thread& client : clients) client.join();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Answer computed = answers[i].get();
    ASSERT_EQ(computed.size(), requests[i].size());
    for (std::size_t t = 0; t < computed.size(); ++t) {
      EXPECT_EQ(computed[t].error, "");
      EXPECT_EQ(computed[t].values, alone(requests[i][t])) << i << ", text " << t;
    }
  }
  EXPECT_TRUE(batcher.healthy());
}

TEST_F(BatcherTest, RowsOfTokensAreTheEmbedders) {
  Batcher batcher(embedder_, {}, metrics_);
  const Ids ids = random_ids(33, 1);
  auto [one, future] = job({ids});
  one.tokens = true;
  ASSERT_TRUE(batcher.submit(std::move(one)));
  const std::vector<std::span<const std::int32_t>> texts = {ids};
  EXPECT_EQ(future.get().front().values, embedder_.embed_tokens_ids(texts)->values);
}

TEST_F(BatcherTest, TakesAWholeJobOrNothing) {
  BatchLimits limits;
  limits.texts = 2;
  Batcher batcher(embedder_, limits, metrics_);
  auto [three, never] = job({random_ids(4, 1), random_ids(4, 2), random_ids(4, 3)});
  EXPECT_FALSE(batcher.submit(std::move(three)));
  auto [two, answer] = job({random_ids(4, 1), random_ids(4, 2)});
  EXPECT_TRUE(batcher.submit(std::move(two)));
  EXPECT_EQ(answer.get().size(), 2U);
  EXPECT_GE(batcher.retry_after().count(), 1);

  BatchLimits tokens;
  tokens.queue_tokens = 10;
  Batcher small(embedder_, tokens, metrics_);
  auto [long_one, none] = job({random_ids(11, 1)});
  EXPECT_FALSE(small.submit(std::move(long_one)));
}

TEST_F(BatcherTest, PlacesAreFreeAgainWhenAnswered) {
  BatchLimits limits;
  limits.texts = 1;
  limits.cached_vectors = 1;
  Batcher batcher(embedder_, limits, metrics_);
  for (int round = 0; round < 3; ++round) {  // the second and third come from the cache
    auto [one, answer] = job({random_ids(9, 1)});
    ASSERT_TRUE(batcher.submit(std::move(one)));
    EXPECT_EQ(answer.get().front().values, alone(random_ids(9, 1)));
  }
  EXPECT_NE(metrics_.text().find("gemvec_cache_hits_total 2"), std::string::npos);
}

TEST_F(BatcherTest, WhatNobodyWaitsForIsNotComputed) {
  Batcher batcher(embedder_, {}, metrics_);
  auto [gone, answer] = job({random_ids(9, 1)});
  gone.cancellation->cancel();
  ASSERT_TRUE(batcher.submit(std::move(gone)));
  EXPECT_TRUE(answer.get().empty());
  EXPECT_EQ(metrics_.text().find("gemvec_tokens_total 9"), std::string::npos);
}

TEST_F(BatcherTest, EndsWithEverythingAnswered) {
  std::vector<std::future<Answer>> answers;
  {
    Batcher batcher(embedder_, {}, metrics_);
    for (std::uint64_t i = 0; i < 20; ++i) {
      auto [one, future] = job({random_ids(100, i)});
      answers.push_back(std::move(future));
      ASSERT_TRUE(batcher.submit(std::move(one)));
    }
  }
  for (auto& answer : answers) EXPECT_EQ(answer.get().size(), 1U);
}

}  // namespace
}  // namespace gemvec::server
