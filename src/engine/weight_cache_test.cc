// Packed weights between processes: found, shared, repaired, and never needed.
#include "engine/weight_cache.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "support/kernel_test.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec::engine {
namespace {

using model::WeightType;

class WeightCache : public ::testing::Test {
 protected:
  WeightCache() { testing::write_tiny_model(dir_.path() / "model"); }

  Result<PackedBlock> load(WeightType type = WeightType::kF32) {
    const auto folder = source::open_model(dir_.path() / "model");
    if (!folder.ok()) return folder.error();
    WeightCacheOptions options;
    options.cache_dir = cache_;
    options.progress = [&](std::uint64_t done, std::uint64_t total) { packed_ = done == total; };
    packed_ = false;
    return PackedBlock::load(*folder, type, testing::selected_kernels(), pool_, options);
  }
  static std::vector<std::byte> copy(const PackedBlock& block) {
    return {block.bytes().begin(), block.bytes().end()};
  }

  testing::TempDir dir_;
  std::filesystem::path cache_ = dir_.path() / "cache";
  base::ThreadPool pool_{2};
  bool packed_ = false;
};

TEST_F(WeightCache, PacksOnceAndMapsAfterwards) {
  const auto first = load();
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_FALSE(first->from_cache());
  EXPECT_TRUE(packed_);
  const auto second = load();
  ASSERT_TRUE(second.ok()) << second.error().message;
  EXPECT_TRUE(second->from_cache());
  EXPECT_FALSE(packed_);
  EXPECT_EQ(copy(*first), copy(*second));
  EXPECT_EQ(first->file(), second->file());
}

TEST_F(WeightCache, KeepsTheTypesApart) {
  const auto fp32 = load(WeightType::kF32);
  const auto bf16 = load(WeightType::kBf16);
  ASSERT_TRUE(fp32.ok() && bf16.ok());
  EXPECT_NE(fp32->file(), bf16->file());
  EXPECT_LT(bf16->bytes().size(), fp32->bytes().size());
}

TEST_F(WeightCache, PacksAgainWhenTheSourceChanges) {
  const auto before = load();
  ASSERT_TRUE(before.ok());
  const auto old = copy(*before);
  testing::write_tiny_model(dir_.path() / "model", {.seed = 99});
  const auto after = load();
  ASSERT_TRUE(after.ok()) << after.error().message;
  EXPECT_FALSE(after->from_cache());
  EXPECT_NE(old, copy(*after));
}

TEST_F(WeightCache, RepairsADamagedFile) {
  const auto before = load();
  ASSERT_TRUE(before.ok());
  const auto good = copy(*before);
  const auto path = before->file();
  const auto size = std::filesystem::file_size(path);
  for (const std::uint64_t at :
       {std::uint64_t{0}, std::uint64_t{17}, std::uint64_t{4096}, size / 2, size - 70}) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get() ^ 0x40);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
    file.close();
    const auto after = load();
    ASSERT_TRUE(after.ok()) << after.error().message;
    EXPECT_FALSE(after->from_cache()) << "byte " << at;
    ASSERT_EQ(after->notes().size(), 1U) << "byte " << at;
    EXPECT_NE(after->notes()[0].find("damaged"), std::string::npos);
    EXPECT_EQ(good, copy(*after));
  }
}

TEST_F(WeightCache, RepairsATruncatedFile) {
  const auto before = load();
  ASSERT_TRUE(before.ok());
  const auto good = copy(*before);
  for (const std::uint64_t size : {0U, 100U, 4096U, 10000U}) {
    std::filesystem::resize_file(before->file(), size);
    const auto after = load();
    ASSERT_TRUE(after.ok()) << after.error().message;
    EXPECT_FALSE(after->from_cache());
    EXPECT_EQ(good, copy(*after));
  }
}

TEST_F(WeightCache, AFolderThatCannotBeWrittenIsNoObstacle) {
  const auto with = load();
  ASSERT_TRUE(with.ok());
  cache_ = dir_.path() / "file";
  testing::write_text(cache_, "not a folder");
  const auto without = load();
  ASSERT_TRUE(without.ok()) << without.error().message;
  EXPECT_TRUE(without->file().empty());
  ASSERT_EQ(without->notes().size(), 1U);
  EXPECT_NE(without->notes()[0].find("in memory only"), std::string::npos) << without->notes()[0];
  EXPECT_EQ(copy(*with), copy(*without));
}

TEST_F(WeightCache, NoCacheWantedNoneMade) {
  cache_.clear();
  const auto block = load();
  ASSERT_TRUE(block.ok()) << block.error().message;
  EXPECT_TRUE(block->file().empty());
  EXPECT_TRUE(block->notes().empty());
}

TEST_F(WeightCache, ProcessesAtOncePackOnceAndAgree) {
  constexpr int kProcesses = 4;
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      base::ThreadPool pool(1);  // threads do not survive a fork
      const auto folder = source::open_model(dir_.path() / "model");
      WeightCacheOptions options;
      options.cache_dir = cache_;
      const auto block =
          PackedBlock::load(*folder, WeightType::kF32, testing::selected_kernels(), pool, options);
      ::_exit(!block.ok() ? 2 : block->from_cache() ? 0 : 1);
    }
    children.push_back(child);
  }
  int packed = 0;
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) < 2) << status;
    packed += WEXITSTATUS(status);
  }
  EXPECT_EQ(packed, 1);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(cache_ / "packed")) {
    EXPECT_NE(entry.path().extension(), ".tmp");
    files += entry.path().extension() == ".gvpack" ? 1 : 0;
  }
  EXPECT_EQ(files, 1U);
}

}  // namespace
}  // namespace gemvec::engine
