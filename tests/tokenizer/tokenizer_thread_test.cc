// One tokenizer, many threads: the same tokens from each, and nothing for the thread sanitizer to say.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gemvec/tokenizer.h"
#include "tokenizer/tiny_tokenizer.h"

namespace gemvec {
namespace {

TEST(TokenizerThreads, ShareOneTokenizer) {
  const auto tokenizer = Tokenizer::from_json(testing::tiny_tokenizer().text());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  const std::string text = "hello world \n\n<b>hell</b> Ж" + std::string(200, 'l');
  const auto expected = tokenizer->encode(text);
  ASSERT_TRUE(expected.ok());
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  constexpr std::size_t kThreads = 4;
  threads.reserve(kThreads);
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        const auto encoding = tokenizer->encode(text);
        if (!encoding.ok() || encoding->ids != expected->ids) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace gemvec
