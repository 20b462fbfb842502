// Memory: none is gathered while texts flow, and processes share one copy of the packed weights. What is read
// of the embedding table is nobody's.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "gemvec/embedder.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec {
namespace {

// The sanitizers' allocators keep freed memory for a while.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kFreedMemoryIsReturned = false;
#elif defined(__has_feature)
constexpr bool kFreedMemoryIsReturned = !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer);
#else
constexpr bool kFreedMemoryIsReturned = true;
#endif

// A number of kilobytes from a line "NAME:   123 kB" of a file of /proc; 0 if there is none.
std::size_t kilobytes(std::istream& in, const std::string& name) {
  std::string line;
  while (std::getline(in, line)) {
    if (line.rfind(name + ":", 0) == 0) return std::stoul(line.substr(name.size() + 1));
  }
  return 0;
}

std::size_t private_kilobytes() {
  std::ifstream status("/proc/self/status");
  return kilobytes(status, "RssAnon");
}

// Rss and Pss of the mapping of the file whose name ends in `suffix`. Pss counts a page that n processes
// share as 1/n.
struct Shared {
  std::size_t rss = 0, pss = 0;
};
Shared mapping_of(const std::string& suffix) {
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  while (std::getline(maps, line)) {
    if (line.size() < suffix.size() || line.compare(line.size() - suffix.size(), suffix.size(), suffix) != 0)
      continue;
    Shared found;
    found.rss = kilobytes(maps, "Rss");
    found.pss = kilobytes(maps, "Pss");
    if (found.rss != 0) return found;
  }
  return {};
}

class Memory : public ::testing::TestWithParam<DType> {
 protected:
  Memory() { testing::write_tiny_model(dir_.path() / "model"); }

  [[nodiscard]] Result<Embedder> load() const {
    LoadOptions options;
    options.model = dir_.path() / "model";
    options.cache_dir = dir_.path() / "cache";
    options.dtype = GetParam();
    options.threads = 2;
    return Embedder::load(options);
  }

  testing::TempDir dir_;
};

TEST_P(Memory, StaysAsItIsOverTenThousandTexts) {
  const auto embedder = load();
  ASSERT_TRUE(embedder.ok()) << embedder.error().message;
  // Where freed memory is kept, only the workspace's size can be looked at, and it is soon what it is.
  constexpr std::size_t kCall = 500, kCalls = kFreedMemoryIsReturned ? 20 : 4;
  std::size_t private_after_warm_up = 0, workspace = 0;
  for (std::size_t call = 0; call < kCalls; ++call) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < kCall; ++i)
      texts.push_back("text " + std::to_string(call * kCall + i) + " of many");
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    ASSERT_TRUE(embedder->embed(views).ok());
    if (call == 1) {
      private_after_warm_up = private_kilobytes();
      workspace = embedder->info().workspace_bytes;
    }
  }
  EXPECT_EQ(embedder->info().workspace_bytes, workspace);
  if constexpr (kFreedMemoryIsReturned) {
    EXPECT_LE(private_kilobytes(), private_after_warm_up + 1024);
  }
}

TEST_P(Memory, OfPackedWeightsIsSharedBetweenProcesses) {
  ASSERT_TRUE(load().ok());  // makes the file
  int ready[2], done[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(done), 0);
  const pid_t child = ::fork();
  char byte = 0;
  if (child == 0) {
    const auto other = load();
    byte = other.ok() ? 1 : 0;
    static_cast<void>(::write(ready[1], &byte, 1) + ::read(done[0], &byte, 1));
    ::_exit(0);
  }
  const auto embedder = load();
  ASSERT_TRUE(embedder.ok()) << embedder.error().message;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 1) << "the other process could not load";
  const Shared shared = mapping_of(embedder->info().packed_file.filename().string());
  ASSERT_EQ(::write(done[1], &byte, 1), 1);
  ::waitpid(child, nullptr, 0);
  ASSERT_GT(shared.rss, 0U);
  // Both have read all of it to check it: half each, but for a page or two that only one of them has touched.
  EXPECT_LE(shared.pss, shared.rss * 6 / 10);
}

// Every page of the table is read, and none of them counts. The source's pages may count from packing, so
// that is another process's.
TEST_P(Memory, DoesNotGrowByTheRowsOfTheTableThatAreRead) {
  testing::write_tiny_model(dir_.path() / "model", {.vocab = 40000});
  ASSERT_TRUE(load().ok());  // makes the file
  const auto embedder = load();
  ASSERT_TRUE(embedder.ok() && embedder->info().packed_from_cache);
  const std::string packed = embedder->info().packed_file.filename().string();
  constexpr std::size_t kEvery = 16;  // a row of 64 numbers in fp32 has 256 bytes, a page 4096
  std::vector<std::int32_t> ids;
  for (std::size_t id = 0; id < embedder->info().vocab; id += kEvery) {
    ids.push_back(static_cast<std::int32_t>(id));
  }
  std::vector<std::span<const std::int32_t>> texts;
  for (std::size_t i = 0; i < ids.size(); i += 500) {
    texts.push_back(std::span(ids).subspan(i, std::min<std::size_t>(500, ids.size() - i)));
  }
  ASSERT_TRUE(embedder->embed_ids(std::span(texts).first(1)).ok());
  const std::size_t before = mapping_of(packed).rss + mapping_of("model.safetensors").rss;
  ASSERT_GT(mapping_of(packed).rss, 0U);
  ASSERT_TRUE(embedder->embed_ids(texts).ok());
  EXPECT_EQ(mapping_of(packed).rss + mapping_of("model.safetensors").rss, before);
}

INSTANTIATE_TEST_SUITE_P(All, Memory, ::testing::Values(DType::kFp32, DType::kQ8, DType::kQ4, DType::kMixed),
                         [](const auto& info) { return std::string(name_of(info.param)); });

}  // namespace
}  // namespace gemvec
