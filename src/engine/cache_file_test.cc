// A cache file under damage, on full and read-only folders, and between processes.
#include "engine/cache_file.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>

#include "support/random.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec::engine {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::byte>;

constexpr std::size_t kHeaderBytes = 4096;

// The end of a child process that answers a question with its exit code.
int answer_of(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::size_t count_files(const fs::path& dir, std::string_view extension) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(dir))
    count += entry.path().extension() == extension ? 1 : 0;
  return count;
}

class CacheFileTest : public ::testing::Test {
 protected:
  CacheFileTest() : payload_(20000) {
    testing::Random random(7);
    for (auto& byte : payload_) byte = static_cast<std::byte>(random.next() & 255);
  }

  [[nodiscard]] CacheRequest request() {
    CacheRequest request;
    request.dir = cache_;
    request.kind = kind_;
    request.content_version = 3;
    request.key = "key";
    request.name = "name";
    request.what = "Things";
    request.content = [this]() -> Result<CacheContent> {
      ++made_;
      return CacheContent{payload_.size(), verified_, [this](std::span<std::byte> out) -> Status {
                            std::copy(payload_.begin(), payload_.end(), out.begin());
                            return {};
                          }};
    };
    return request;
  }
  Result<CacheFile> load() { return CacheFile::load(request(), nullptr); }
  // Loads, and looks at the payload and at how it came.
  void expect_right(bool from_cache, std::string_view note, const std::string& when) {
    const auto file = load();
    ASSERT_TRUE(file.ok()) << when << ": " << file.error().message;
    EXPECT_TRUE(std::ranges::equal(file->bytes(), payload_)) << when;
    EXPECT_EQ(file->from_cache(), from_cache) << when;
    ASSERT_EQ(file->notes().size(), note.empty() ? 0U : 1U) << when;
    if (note.empty()) return;
    EXPECT_NE(file->notes()[0].find(note), std::string::npos) << file->notes()[0];
  }
  void expect_made_again(const std::string& when) { expect_right(false, "damaged", when); }

  [[nodiscard]] fs::path path() const { return cache_ / "key-name.gvpack"; }
  void flip(std::size_t at, unsigned bit) {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 1 << bit));
  }

  testing::TempDir dir_;
  fs::path cache_ = dir_.path() / "cache";
  CacheKind kind_ = CacheKind::kWeights;
  Bytes payload_;
  std::uint64_t verified_ = 20000;
  int made_ = 0;
};

TEST_F(CacheFileTest, IsMadeOnceAndMappedAfterwards) {
  expect_right(false, "", "first");
  expect_right(true, "", "second");
  EXPECT_EQ(made_, 1);
  EXPECT_EQ(fs::file_size(path()), kHeaderBytes + payload_.size());
}

TEST_F(CacheFileTest, SharesHashingAcrossThreadsWithTheSameResult) {
  payload_.resize(9 << 20);  // three pieces
  verified_ = payload_.size();
  base::ThreadPool pool(3);
  ASSERT_TRUE(CacheFile::load(request(), &pool).ok());
  expect_right(true, "", "alone");
  EXPECT_TRUE(CacheFile::load(request(), &pool)->from_cache());
}

TEST_F(CacheFileTest, NoticesEveryFlippedBitOfTheHeaderAndManyOfThePayload) {
  ASSERT_TRUE(load().ok());
  std::vector<std::size_t> places;
  for (std::size_t at = 0; at < 72; ++at) places.push_back(at);
  for (std::size_t at = 72; at < kHeaderBytes + payload_.size(); at += 331) places.push_back(at);
  places.push_back(kHeaderBytes + payload_.size() - 1);
  for (const std::size_t at : places) {
    flip(at, at % 8);
    expect_made_again("byte " + std::to_string(at));
  }
}

TEST_F(CacheFileTest, NoticesAFileOfAnotherSize) {
  ASSERT_TRUE(load().ok());
  const std::size_t whole = kHeaderBytes + payload_.size();
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{8}, std::size_t{71},
                                 kHeaderBytes - 1, kHeaderBytes, kHeaderBytes + 1, whole - 1, whole + 1}) {
    fs::resize_file(path(), size);
    expect_made_again(std::to_string(size) + " bytes");
  }
}

TEST_F(CacheFileTest, SaysWhatAFileOfAnotherKindVersionOrMachineIs) {
  const auto patch = [&](std::size_t at, std::uint8_t value) {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(value));
  };
  ASSERT_TRUE(load().ok());
  patch(8, 1);
  expect_right(false, "version: expected 2, found 1", "version");
  patch(12, 1), patch(13, 2), patch(14, 3), patch(15, 4);
  expect_right(false, "byte order", "machine");
  kind_ = CacheKind::kTokenizer;
  expect_right(false, "kind: expected 2, found 1", "kind");
}

TEST_F(CacheFileTest, LeavesWhatIsNotVerifiedToTheReader) {
  verified_ = 8000;
  ASSERT_TRUE(load().ok());
  flip(kHeaderBytes + 7999, 0);
  expect_made_again("the last verified byte");
  flip(kHeaderBytes + 8000, 0);
  const auto file = load();
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->from_cache());
  EXPECT_FALSE(std::ranges::equal(file->bytes(), payload_));
  EXPECT_TRUE(std::ranges::equal(file->bytes().first(8000), std::span(payload_).first(8000)));
}

TEST_F(CacheFileTest, MakesAgainWhatTheReaderRefuses) {
  ASSERT_TRUE(load().ok());
  auto strict = request();
  bool refuse = true;
  strict.accept = [&](std::span<const std::byte>, std::uint64_t) -> Status {
    if (!refuse) return {};
    return Error{ErrorCode::kBadFormat, "no."};
  };
  strict.content = [&, content = strict.content] {
    refuse = false;
    return content();
  };
  const auto file = CacheFile::load(strict, nullptr);
  ASSERT_TRUE(file.ok());
  EXPECT_FALSE(file->from_cache());
  ASSERT_EQ(file->notes().size(), 1U);
}

TEST_F(CacheFileTest, AnErrorOfTheContentEndsTheLoad) {
  auto failing = request();
  failing.content = []() -> Result<CacheContent> { return Error{ErrorCode::kBadFormat, "bad source."}; };
  for (const fs::path& dir : {cache_, fs::path()}) {
    failing.dir = dir;
    const auto file = CacheFile::load(failing, nullptr);
    ASSERT_FALSE(file.ok());
    EXPECT_EQ(file.error().message, "bad source.");
  }
  EXPECT_EQ(count_files(cache_, ".gvpack") + count_files(cache_, ".tmp"), 0U);
}

TEST_F(CacheFileTest, StaysReadableWhenItsFileIsDeletedOrReplaced) {
  ASSERT_TRUE(load().ok());
  const auto mapped = load();
  fs::remove_all(cache_);
  EXPECT_TRUE(std::ranges::equal(mapped->bytes(), payload_));
  expect_right(false, "", "deleted");
  const auto again = load();
  flip(kHeaderBytes, 0);
  expect_made_again("replaced");
  EXPECT_TRUE(std::ranges::equal(mapped->bytes(), payload_));
}

TEST_F(CacheFileTest, ALockThatNobodyHoldsIsNoObstacle) {
  fs::create_directories(cache_);
  testing::write_text(cache_ / "key.lock", "12345 of a process that was killed\n");
  expect_right(false, "", "stale lock");
}

TEST_F(CacheFileTest, RemovesWhatAKilledWriterLeft) {
  fs::create_directories(cache_);
  for (const char* name : {"key-name.gvpack.4711-0.tmp", "key-name.gvpack.4711-12.tmp"})
    testing::write_text(cache_ / name, "half a file");
  const std::vector<std::string> others = {"key-name.gvpack.avx2-bf16.check.1-0.tmp",
                                           "key-other.gvpack.1-0.tmp", "key-name.gvpack.tmp"};
  for (const auto& name : others) testing::write_text(cache_ / name, "somebody else's");
  expect_right(false, "", "after a killed writer");
  EXPECT_EQ(count_files(cache_, ".tmp"), others.size());
  for (const auto& name : others) EXPECT_TRUE(fs::exists(cache_ / name)) << name;
}

TEST_F(CacheFileTest, AFolderThatCannotBeMadeIsNoObstacle) {
  testing::write_text(cache_, "not a folder");
  expect_right(false, "in memory only", "file");
}

TEST_F(CacheFileTest, AFolderInPlaceOfTheFileIsNoObstacle) {
  fs::create_directories(path());
  expect_right(false, "in memory only", "folder");
  EXPECT_EQ(count_files(cache_, ".tmp"), 0U);
}

// In a child without root's rights, for which permissions mean nothing.
TEST_F(CacheFileTest, AReadOnlyFolderIsReadAndNotWritten) {
  fs::permissions(dir_.path(), fs::perms(0755));
  fs::create_directories(cache_);
  for (const bool there : {false, true}) {
    if (there) {
      ASSERT_TRUE(load().ok());
    }
    fs::permissions(cache_, fs::perms(0555));
    const pid_t child = ::fork();
    if (child == 0) {
      if (::getuid() == 0 && ::setuid(65534) != 0) ::_exit(9);
      const auto file = load();
      if (!file.ok() || !std::ranges::equal(file->bytes(), payload_)) ::_exit(1);
      if (there) ::_exit(file->from_cache() && file->notes().empty() ? 0 : 2);
      ::_exit(!file->from_cache() && file->notes().size() == 1 ? 0 : 3);
    }
    EXPECT_EQ(answer_of(child), 0) << (there ? "with a file" : "without one");
    fs::permissions(cache_, fs::perms(0755));
    EXPECT_EQ(count_files(cache_, ".gvpack"), there ? 1U : 0U);
    EXPECT_EQ(count_files(cache_, ".tmp"), 0U);
  }
}

// A file system of 64 KiB in a mount namespace of this process alone; false where that is not allowed.
bool mount_small(const fs::path& at) {
  if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("none", at.c_str(), "tmpfs", 0, "size=64k") == 0;
}

// The same for a process: no file above 64 KiB.
bool limit_files() {
  const rlimit limit = {64 << 10, 64 << 10};
  return ::signal(SIGXFSZ, SIG_IGN) != SIG_ERR && ::setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

TEST_F(CacheFileTest, AFullDiskLeavesNothingBehind) {
  payload_.resize(1 << 20);
  verified_ = payload_.size();
  fs::create_directories(cache_);
  for (const bool disk : {true, false}) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (disk ? !mount_small(cache_) : !limit_files()) ::_exit(disk ? 0 : 9);
      const auto file = load();
      if (!file.ok() || !std::ranges::equal(file->bytes(), payload_)) ::_exit(1);
      if (file->notes().size() != 1 || file->notes()[0].find("in memory only") == std::string::npos)
        ::_exit(2);
      ::_exit(count_files(cache_, ".tmp") + count_files(cache_, ".gvpack") == 0 ? 0 : 3);
    }
    EXPECT_EQ(answer_of(child), 0) << (disk ? "disk" : "limit");
  }
  EXPECT_EQ(count_files(cache_, ".tmp") + count_files(cache_, ".gvpack"), 0U);
}

TEST_F(CacheFileTest, ProcessesAtOnceMakeOneFile) {
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto file = load();
      if (!file.ok() || !file->notes().empty() || !std::ranges::equal(file->bytes(), payload_)) ::_exit(100);
      ::_exit(made_);
    }
    children.push_back(child);
  }
  int made = 0;
  for (const pid_t child : children) made += answer_of(child);
  EXPECT_EQ(made, 1);
  EXPECT_EQ(count_files(cache_, ".gvpack"), 1U);
  EXPECT_EQ(count_files(cache_, ".tmp"), 0U);
}

TEST_F(CacheFileTest, AnotherFileUnderTheSameNameHasAnotherIdentity) {
  const fs::path source = dir_.path() / "source";
  testing::write_text(source, "one");
  const auto before = source_identity(source);
  const auto time = fs::last_write_time(source);
  testing::write_text(source, "two");
  fs::last_write_time(source, time);  // as `cp -p` or `touch -r` would
  const auto after = source_identity(source);
  ASSERT_TRUE(before.ok() && after.ok());
  EXPECT_NE(*before, *after);
  EXPECT_NE(cache_key(*before), cache_key(*after));
  EXPECT_EQ(source_identity(dir_.path() / "none").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace gemvec::engine
