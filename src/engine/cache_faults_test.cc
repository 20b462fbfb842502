// Never a wrong vector: the tiny model through files that are damaged, taken away and fought over gives, bit
// for bit, what it gives without a cache, or an error.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "gemvec/embedder.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec {
namespace {

namespace fs = std::filesystem;

class CacheFaults : public ::testing::TestWithParam<DType> {
 protected:
  CacheFaults() {
    testing::write_tiny_model(dir_.path() / "model");
    right_ = vectors(false, 2);
  }

  [[nodiscard]] LoadOptions options(bool use_cache, unsigned threads) const {
    LoadOptions options;
    options.model = dir_.path() / "model";
    options.cache_dir = dir_.path() / "cache";
    options.use_cache = use_cache;
    options.threads = threads;
    options.dtype = GetParam();
    options.self_check = false;
    return options;
  }
  // Empty if anything fails.
  [[nodiscard]] std::vector<float> vectors(bool use_cache, unsigned threads) const {
    const auto embedder = Embedder::load(options(use_cache, threads));
    return embedder.ok() ? vectors(*embedder) : std::vector<float>();
  }
  static std::vector<float> vectors(const Embedder& embedder) {
    const std::vector<std::string_view> texts = {"hello world", "<b>a</b>  12\n\n \xF0\x9F\x98\x80", ""};
    auto found = embedder.embed(texts, {.dim = 128, .normalize = false});
    return found.ok() ? std::move(found->values) : std::vector<float>();
  }
  [[nodiscard]] bool is_right(const std::vector<float>& found) const {
    return !right_.empty() && found.size() == right_.size() &&
           std::memcmp(found.data(), right_.data(), found.size() * sizeof(float)) == 0;
  }
  [[nodiscard]] std::vector<fs::path> cache_files() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(dir_.path() / "cache" / "packed"))
      if (entry.path().extension() == ".gvpack") files.push_back(entry.path());
    return files;
  }

  testing::TempDir dir_;
  std::vector<float> right_;
};

TEST_P(CacheFaults, OneFlippedBitAnywhere) {
  ASSERT_TRUE(is_right(vectors(true, 2)));
  for (const fs::path& path : cache_files()) {
    const auto size = fs::file_size(path);
    // 61 places a file, at odd distances, so that all bits and all parts have their turn.
    const std::uintmax_t stride = (size / 61) | 1;
    for (std::uintmax_t at = 0; at < size; at += stride) {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(static_cast<std::streamoff>(at));
      const int byte = file.get();
      file.seekp(static_cast<std::streamoff>(at));
      file.put(static_cast<char>(byte ^ 1 << (at % 8)));
      file.close();
      const auto embedder = Embedder::load(options(true, 2));
      ASSERT_TRUE(embedder.ok()) << path << ", byte " << at;
      ASSERT_EQ(embedder->info().notes.size(), 1U) << path << ", byte " << at;
      ASSERT_TRUE(is_right(vectors(*embedder))) << path << ", byte " << at;
    }
  }
}

TEST_P(CacheFaults, FilesCutShortSwappedOrEmpty) {
  ASSERT_TRUE(is_right(vectors(true, 2)));
  const auto files = cache_files();
  ASSERT_EQ(files.size(), 2U);
  for (const fs::path& path : files) {
    const auto size = fs::file_size(path);
    for (const auto cut : {std::uintmax_t{0}, std::uintmax_t{63}, std::uintmax_t{4096}, size / 2, size - 1}) {
      fs::resize_file(path, cut);
      ASSERT_TRUE(is_right(vectors(true, 2))) << path << ", " << cut;
    }
  }
  const fs::path aside = dir_.path() / "aside";
  fs::rename(files[0], aside);
  fs::rename(files[1], files[0]);
  fs::rename(aside, files[1]);
  const auto embedder = Embedder::load(options(true, 2));
  ASSERT_TRUE(embedder.ok());
  EXPECT_EQ(embedder->info().notes.size(), 2U);
  EXPECT_TRUE(is_right(vectors(*embedder)));
}

TEST_P(CacheFaults, FilesDeletedWhileInUse) {
  ASSERT_TRUE(is_right(vectors(true, 2)));
  const auto embedder = Embedder::load(options(true, 2));
  ASSERT_TRUE(embedder.ok() && embedder->info().packed_from_cache);
  fs::remove_all(dir_.path() / "cache");
  EXPECT_TRUE(is_right(vectors(*embedder)));
}

TEST_P(CacheFaults, ManyProcessesAtOnce) {
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(is_right(vectors(true, 2)) ? 0 : 1);
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  EXPECT_EQ(cache_files().size(), 2U);
  const auto after = Embedder::load(options(true, 2));
  ASSERT_TRUE(after.ok());
  EXPECT_TRUE(after->info().packed_from_cache && after->info().notes.empty());
}

INSTANTIATE_TEST_SUITE_P(DTypes, CacheFaults, ::testing::Values(DType::kFp32, DType::kBf16),
                         [](const auto& info) { return std::string(name_of(info.param)); });

// The embedding table is read while texts flow: from the source, or with q4 and mixed from the packed file.
class TableInUse : public CacheFaults {};

TEST_P(TableInUse, IsStillThereWhenItsFilesAreDeleted) {
  const auto embedder = Embedder::load(options(true, 2));
  ASSERT_TRUE(embedder.ok()) << embedder.error().message;
  fs::remove_all(dir_.path());
  EXPECT_TRUE(is_right(vectors(*embedder)));
}

TEST_P(TableInUse, CutShortIsAnErrorThatNamesTheFile) {
  const auto embedder = Embedder::load(options(true, 2));
  ASSERT_TRUE(embedder.ok()) << embedder.error().message;
  const bool packed = GetParam() == DType::kQ4 || GetParam() == DType::kMixed;
  const fs::path file = packed ? embedder->info().packed_file : dir_.path() / "model" / "model.safetensors";
  // Of the packed file so much goes that the table's last row is hit, whatever padding stands behind it; of
  // the source everything.
  const std::uintmax_t left = packed ? fs::file_size(file) - 64 : 0;
  fs::resize_file(file, left);
  const std::int32_t last = static_cast<std::int32_t>(embedder->info().vocab) - 1;
  const std::vector<std::int32_t> ids = {2, last, 1};
  const std::vector<std::span<const std::int32_t>> texts = {ids};
  for (int again = 0; again < 2; ++again) {
    const auto found = embedder->embed_ids(texts);
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code, ErrorCode::kIo);
    EXPECT_NE(found.error().message.find(file.string()), std::string::npos) << found.error().message;
  }
  if (packed) {
    EXPECT_TRUE(is_right(vectors(*embedder)));  // other rows, which are whole
  }
}

INSTANTIATE_TEST_SUITE_P(All, TableInUse,
                         ::testing::Values(DType::kFp32, DType::kBf16, DType::kQ8, DType::kQ4, DType::kMixed),
                         [](const auto& info) { return std::string(name_of(info.param)); });

}  // namespace
}  // namespace gemvec
