// Files: whole reads, writes that are all or nothing, locks, mappings.
#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec::base {
namespace {

namespace fs = std::filesystem;
using gemvec::testing::TempDir;
using gemvec::testing::write_text;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::size_t files_in(const fs::path& dir) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(dir)) count += entry.exists() ? 1 : 0;
  return count;
}

TEST(ReadFile, GivesTheWholeFileUpToTheLimit) {
  const TempDir dir;
  const std::string text("a\0\nb", 4);
  write_text(dir.path() / "f", text);
  EXPECT_EQ(*read_file(dir.path() / "f", 4), text);
  const auto refused = read_file(dir.path() / "f", 3);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kBadFormat);
  write_text(dir.path() / "empty", "");
  EXPECT_EQ(*read_file(dir.path() / "empty", 0), "");
}

TEST(ReadFile, NamesWhatIsNotThereOrNoFile) {
  const TempDir dir;
  const auto missing = read_file(dir.path() / "f", 10);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(missing.error().message,
            (dir.path() / "f").string() + ": cannot open: No such file or directory.");
  const auto folder = read_file(dir.path(), 10);
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.error().code, ErrorCode::kIo);
  write_text(dir.path() / "g", "x");
  const auto below = read_file(dir.path() / "g" / "f", 10);
  ASSERT_FALSE(below.ok());
  EXPECT_EQ(below.error().code, ErrorCode::kNotFound);
}

TEST(AtomicFile, AppearsWholeOnCommit) {
  const TempDir dir;
  const auto path = dir.path() / "f";
  write_text(path, "old");
  auto file = AtomicFile::create(path);
  ASSERT_TRUE(file.ok()) << file.error().message;
  ASSERT_TRUE(file->write(bytes_of("new ")).ok());
  ASSERT_TRUE(file->write(bytes_of("text")).ok());
  EXPECT_EQ(*read_file(path, 100), "old");
  ASSERT_TRUE(file->commit().ok());
  EXPECT_EQ(*read_file(path, 100), "new text");
  EXPECT_EQ(files_in(dir.path()), 1U);
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
  const TempDir dir;
  {
    auto first = AtomicFile::create(dir.path() / "f");
    ASSERT_TRUE(first.ok() && first->write(bytes_of("half")).ok());
    AtomicFile moved = std::move(first).value();
    auto second = AtomicFile::create(dir.path() / "f");  // two writers do not meet
    ASSERT_TRUE(second.ok());
    EXPECT_EQ(files_in(dir.path()), 2U);
  }
  EXPECT_EQ(files_in(dir.path()), 0U);
}

TEST(AtomicFile, CanBeFilledAsMemory) {
  const TempDir dir;
  const auto path = dir.path() / "f";
  auto file = AtomicFile::create(path);
  ASSERT_TRUE(file.ok());
  const auto memory = file->map(10'000);
  ASSERT_TRUE(memory.ok()) << memory.error().message;
  ASSERT_EQ(memory->size(), 10'000U);
  std::memcpy(memory->data() + 9'990, "0123456789", 10);
  ASSERT_TRUE(file->commit().ok());
  EXPECT_EQ(*read_file(path, 10'000), std::string(9'990, '\0') + "0123456789");
}

TEST(AtomicFile, CannotBeMadeInAFolderThatIsNotThere) {
  const TempDir dir;
  const auto file = AtomicFile::create(dir.path() / "no" / "f");
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code, ErrorCode::kNotFound);
}

TEST(AtomicFile, AFullDiskIsAnErrorAndLeavesNothing) {
  const TempDir dir;
  // A limit on the file's size fails like a full disk does, in a child so that it ends with it.
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int code = 1;
    {
      auto file = AtomicFile::create(dir.path() / "f");
      const std::string large(10'000, 'x');
      if (file.ok()) {
        const auto status = file->write(bytes_of(large));
        code = !status.ok() && status.error().code == ErrorCode::kIo ? 0 : 2;
      }
    }
    ::_exit(code);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(files_in(dir.path()), 0U);
}

TEST(FileLock, LetsOneHolderInAtATime) {
  const TempDir dir;
  const auto path = dir.path() / "lock";
  std::atomic<int> holders{0}, most{0};
  const auto work = [&] {
    for (int i = 0; i < 200; ++i) {
      const auto lock = FileLock::acquire(path);
      ASSERT_TRUE(lock.ok()) << lock.error().message;
      const int now = ++holders;
      if (now > most) most = now;
      std::this_thread::yield();
      --holders;
    }
  };
  std::thread first(work), second(work);
  first.join();
  second.join();
  EXPECT_EQ(most, 1);
}

TEST(FileLock, HoldsAgainstAnotherProcessUntilItIsReleased) {
  const TempDir dir;
  const auto path = dir.path() / "lock";
  int locked[2], trying[2];  // parent to child, child to parent
  ASSERT_EQ(::pipe(locked), 0);
  ASSERT_EQ(::pipe(trying), 0);
  // Before the lock is taken: a child shares its parent's open files, and so its locks.
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  char byte = 'x';
  if (child == 0) {
    const bool met = ::read(locked[0], &byte, 1) == 1 && ::write(trying[1], &byte, 1) == 1;
    const auto mine = FileLock::acquire(path);
    ::_exit(met && mine.ok() && fs::exists(dir.path() / "released") ? 0 : 1);
  }
  {
    const auto lock = FileLock::acquire(path);
    ASSERT_TRUE(lock.ok()) << lock.error().message;
    ASSERT_EQ(::write(locked[1], &byte, 1), 1);
    ASSERT_EQ(::read(trying[0], &byte, 1), 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // time for the child to get in, if it can
    write_text(dir.path() / "released", "");
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  for (const int fd : {locked[0], locked[1], trying[0], trying[1]}) ::close(fd);
}

TEST(MappedFile, ShowsTheBytesAndSurvivesMoves) {
  const TempDir dir;
  write_text(dir.path() / "f", "abc");
  auto file = MappedFile::open(dir.path() / "f");
  ASSERT_TRUE(file.ok()) << file.error().message;
  const auto* data = file->bytes().data();
  MappedFile moved = std::move(file).value();
  MappedFile again;
  again = std::move(moved);
  EXPECT_EQ(again.bytes().data(), data);
  ASSERT_EQ(again.bytes().size(), 3U);
  EXPECT_EQ(std::to_integer<char>(again.bytes()[2]), 'c');
}

TEST(MappedFile, AnEmptyFileHasNoBytes) {
  const TempDir dir;
  write_text(dir.path() / "f", "");
  const auto file = MappedFile::open(dir.path() / "f");
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_TRUE(file->bytes().empty());
}

TEST(MappedFile, KeepsTheOldBytesWhenTheFileIsReplaced) {
  const TempDir dir;
  const auto path = dir.path() / "f";
  write_text(path, "old");
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file.ok());
  auto next = AtomicFile::create(path);
  ASSERT_TRUE(next.ok() && next->write(bytes_of("")).ok() && next->commit().ok());
  EXPECT_EQ(std::to_integer<char>(file->bytes()[0]), 'o');
}

TEST(MappedFile, CopiesAnyPieceAlsoOfADeletedFileAndAfterAMove) {
  const TempDir dir;
  const auto path = dir.path() / "f";
  std::string text(10000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 131 >> 3);
  write_text(path, text);
  auto opened = MappedFile::open(path);
  ASSERT_TRUE(opened.ok());
  fs::remove(path);
  const MappedFile file = std::move(opened).value();
  for (const std::size_t at : {0U, 1U, 4095U, 4096U, 9999U, 10000U}) {
    std::vector<std::byte> piece(std::min<std::size_t>(5000, text.size() - at));
    ASSERT_TRUE(file.read(at, piece).ok()) << at;
    EXPECT_TRUE(std::ranges::equal(piece, file.bytes().subspan(at, piece.size()))) << at;
    EXPECT_TRUE(std::ranges::equal(piece, std::as_bytes(std::span(text)).subspan(at, piece.size()))) << at;
  }
}

// Through the map the same read would be a signal.
TEST(MappedFile, CutShortItIsAnErrorThatNamesIt) {
  const TempDir dir;
  const auto path = dir.path() / "f";
  write_text(path, std::string(10000, 'x'));
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file.ok());
  fs::resize_file(path, 5000);
  std::vector<std::byte> piece(100);
  EXPECT_TRUE(file->read(4900, piece).ok());
  for (const std::size_t at : {4901U, 5000U, 9900U}) {
    const Status status = file->read(at, piece);
    ASSERT_FALSE(status.ok()) << at;
    EXPECT_EQ(status.error().code, ErrorCode::kIo);
    EXPECT_NE(status.error().message.find(path.string()), std::string::npos) << status.error().message;
  }
}

TEST(MappedFile, KnowsItsOwnBytes) {
  const TempDir dir;
  write_text(dir.path() / "f", "abc");
  const auto file = MappedFile::open(dir.path() / "f");
  ASSERT_TRUE(file.ok());
  const std::byte* first = file->bytes().data();
  EXPECT_TRUE(file->contains(first) && file->contains(first + 2));
  EXPECT_FALSE(file->contains(first + 3) || file->contains(first - 1) || file->contains(nullptr));
  EXPECT_FALSE(MappedFile().contains(first) || MappedFile().contains(nullptr));
}

TEST(MappedFile, NamesWhatIsNotThereOrNoFile) {
  const TempDir dir;
  const auto missing = MappedFile::open(dir.path() / "f");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  const auto folder = MappedFile::open(dir.path());
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace gemvec::base
