// Fetches in processes of their own: killed at any moment, two at once, on a disk that is full.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include "fetch/fetch_fixture.h"

extern char** environ;

namespace gemvec::fetch::testing {
namespace {

class ProcessTest : public FetchTest {
 protected:
  // Starts fetch_driver; its output goes to `output`.
  pid_t start(std::vector<std::string> arguments, const std::filesystem::path& output) const {
    arguments.insert(arguments.begin(), GEMVEC_FETCH_DRIVER);
    std::vector<char*> pointers;
    for (auto& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                     0644);
    pid_t child = -1;
    EXPECT_EQ(::posix_spawn(&child, GEMVEC_FETCH_DRIVER, &actions, nullptr, pointers.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    return child;
  }

  // The exit code, or 128 + the signal.
  static int wait(pid_t child) {
    int state = 0;
    ::waitpid(child, &state, 0);
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
  }

  // Kills a fetch again and again, then lets one finish. What stands in the model's place is the whole
  // model or nothing, at every step.
  void kill_then_finish(const std::vector<std::string>& arguments, unsigned longest_ms) {
    std::mt19937 generator(4711);
    constexpr int kKills = 10;
    for (int killed = 0; killed < kKills;) {
      const pid_t child = start(arguments, folder_ / "output");
      std::this_thread::sleep_for(std::chrono::milliseconds(generator() % longest_ms));
      ::kill(child, SIGKILL);
      const int code = wait(child);
      if (std::filesystem::exists(layout().model)) expect_whole(layout().model);
      if (code == 128 + SIGKILL) {
        ++killed;
        continue;
      }
      ASSERT_EQ(code, 0) << read_text(folder_ / "output");
      // Too quick for us: once more from the beginning, with less patience.
      std::filesystem::remove_all(cache_);
      longest_ms = std::max(longest_ms * 3 / 4, 2U);
    }
    EXPECT_EQ(wait(start(arguments, folder_ / "output")), 0) << read_text(folder_ / "output");
    expect_whole(layout().model);
  }
};

TEST_F(ProcessTest, AFetchFromTheHubSurvivesBeingKilledAtAnyMoment) {
  HttpServer server([this](const Request& request) {
    Reply reply = hub(request);
    reply.block_delay_ms = 10;
    return reply;
  });
  kill_then_finish({"fake", cache_.string(), server.url()}, 120);
}

TEST_F(ProcessTest, AFetchFromTheMirrorSurvivesBeingKilledAtAnyMoment) {
  make_index();
  const auto program = make_program("slow", "sleep 0.05\n. \"$here/pip\"\n");
  kill_then_finish({"fake", cache_.string(), "http://127.0.0.1:1", program.back()}, 250);
}

TEST_F(ProcessTest, TwoAtOnceDownloadOnce) {
  HttpServer server([this](const Request& request) {
    Reply reply = hub(request);
    reply.block_delay_ms = 10;
    return reply;
  });
  const std::vector<std::string> arguments = {"fake", cache_.string(), server.url()};
  const pid_t first = start(arguments, folder_ / "first");
  const pid_t second = start(arguments, folder_ / "second");
  EXPECT_EQ(wait(first), 0) << read_text(folder_ / "first");
  EXPECT_EQ(wait(second), 0) << read_text(folder_ / "second");
  expect_whole(layout().model);
  for (const auto& [path, count] : server.counts()) EXPECT_EQ(count, 1) << path;
  const std::string said = read_text(folder_ / "first") + read_text(folder_ / "second");
  EXPECT_NE(said.find("waiting for another process"), std::string::npos) << said;
  EXPECT_NE(said.find("from cache"), std::string::npos) << said;
}

TEST_F(ProcessTest, AFullDiskIsSaidAndLeavesNothingForWhole) {
  make_index();
  const std::string pip = fake_.release.mirror.pip_commands.front().back();
  const int io_error = 10 + static_cast<int>(ErrorCode::kIo);
  HttpServer server([this](const Request& request) { return hub(request); });
  // From the hub the big file does not fit; from the mirror the chunks do, and it does not.
  const std::map<std::string, std::string> files = {{server.url(), "parts/model.safetensors.part"},
                                                    {"http://127.0.0.1:1", "unpacked/model.safetensors"}};
  for (const auto& [endpoint, file] : files) {
    EXPECT_EQ(wait(start({"fake", cache_.string(), endpoint, pip, "400000"}, folder_ / "output")), io_error);
    const std::string said = read_text(folder_ / "output");
    EXPECT_NE(said.find(file + ": cannot write"), std::string::npos) << said;
    EXPECT_FALSE(std::filesystem::exists(layout().model));
  }
  EXPECT_EQ(wait(start({"fake", cache_.string(), server.url()}, folder_ / "output")), 0);
  expect_whole(layout().model);
}

}  // namespace
}  // namespace gemvec::fetch::testing
