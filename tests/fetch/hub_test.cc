// The model hub: whole, cut, moved, closed, wrong.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>

#include "fetch/fetch_fixture.h"

namespace gemvec::fetch::testing {
namespace {

class HubTest : public FetchTest {
 protected:
  Result<FetchedModel> fetch(const FetchOptions& options) { return fetch_release(fake_.release, options); }
};

TEST_F(HubTest, FetchesTheWholeRelease) {
  HttpServer server([this](const Request& request) { return hub(request); });
  auto wanted = options(server.url() + "/");
  std::uint64_t last = 0, total = 0;
  wanted.progress = [&](const FetchProgress& progress) {
    if (progress.stage != "downloading") return;
    EXPECT_EQ(progress.source, "hub");
    EXPECT_GE(progress.done, last);
    last = progress.done;
    total = progress.total;
  };
  const auto model = fetch(wanted);
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->source, "hub");
  EXPECT_TRUE(model->verified);
  EXPECT_EQ(model->path, cache_ / "models" / "fake-model");
  EXPECT_TRUE(model->notes.empty());
  expect_whole(model->path);
  EXPECT_EQ(last, total);
  EXPECT_EQ(server.requests().size(), fake_.files.size());
  EXPECT_FALSE(std::filesystem::exists(layout().downloads)) << "nothing is left of the download";
}

TEST_F(HubTest, SmallFilesComeFirst) {
  HttpServer server([this](const Request& request) { return hub(request); });
  ASSERT_TRUE(fetch(options(server.url())).ok());
  EXPECT_EQ(server.requests().back().path, hub_path(kBigFile));
}

TEST_F(HubTest, ResumesWhereTheConnectionWasCut) {
  std::atomic<int> cuts{0};
  HttpServer server([&](const Request& request) {
    Reply reply = hub(request);
    if (request.path == hub_path(kBigFile) && cuts < 3) {
      ++cuts;
      reply.cut_after = 100'000;
    }
    return reply;
  });
  const auto model = fetch(options(server.url()));
  ASSERT_TRUE(model.ok()) << model.error().message;
  expect_whole(model->path);
  std::vector<std::string> ranges;
  for (const auto& request : server.requests()) {
    const auto range = request.headers.find("range");
    if (range != request.headers.end()) ranges.push_back(range->second);
  }
  EXPECT_EQ(ranges, (std::vector<std::string>{"bytes=100000-", "bytes=200000-", "bytes=300000-"}));
}

TEST_F(HubTest, ResumesInALaterCall) {
  std::atomic<bool> broken{true};
  HttpServer server([&](const Request& request) {
    Reply reply = hub(request);
    if (request.path != hub_path(kBigFile) || !broken) return reply;
    if (request.headers.contains("range")) return Reply{.status = 500};
    reply.cut_after = 250'000;
    return reply;
  });
  const auto first = fetch(options(server.url()));
  ASSERT_FALSE(first.ok());
  EXPECT_EQ(first.error().code, ErrorCode::kNetwork);
  EXPECT_FALSE(std::filesystem::exists(layout().model)) << "a half-written download is taken for a whole one";
  broken = false;
  const auto before = server.requests().size();
  const auto second = fetch(options(server.url()));
  ASSERT_TRUE(second.ok()) << second.error().message;
  expect_whole(second->path);
  ASSERT_EQ(server.requests().size(), before + 1) << "files that had come were fetched again";
  EXPECT_EQ(server.requests().back().headers.at("range"), "bytes=250000-");
}

TEST_F(HubTest, StartsOverWhenTheServerIgnoresRanges) {
  std::atomic<int> asked{0};
  HttpServer server([&](const Request& request) {
    Request plain = request;
    plain.headers.erase("range");
    Reply reply = hub(plain);
    if (request.path == hub_path(kBigFile) && asked++ == 0) reply.cut_after = 300'000;
    return reply;
  });
  const auto model = fetch(options(server.url()));
  ASSERT_TRUE(model.ok()) << model.error().message;
  expect_whole(model->path);
}

TEST_F(HubTest, StartsOverWhenTheRangeIsAnother) {
  std::atomic<int> asked{0};
  HttpServer server([&](const Request& request) {
    Reply reply = hub(request);
    if (request.path != hub_path(kBigFile)) return reply;
    if (asked++ == 0) reply.cut_after = 300'000;
    if (reply.status == 206 && asked == 2) reply.headers = {{"Content-Range", "bytes 17-599999/600000"}};
    return reply;
  });
  const auto model = fetch(options(server.url()));
  ASSERT_TRUE(model.ok()) << model.error().message;
  expect_whole(model->path);
}

TEST_F(HubTest, StartsOverAfterRangeNotSatisfiable) {
  write_text(layout().parts / (std::string(kBigFile) + ".part"), noise(1000, 99));
  HttpServer server([&](const Request& request) {
    return request.headers.contains("range") ? Reply{.status = 416} : hub(request);
  });
  const auto model = fetch(options(server.url()));
  ASSERT_TRUE(model.ok()) << model.error().message;
  expect_whole(model->path);
}

TEST_F(HubTest, ThrowsAwayAPartOfOtherBytes) {
  write_text(layout().parts / (std::string(kBigFile) + ".part"), noise(1000, 99));  // not ours
  write_text(layout().parts / "tokenizer.json.part", noise(5000, 98));              // of the full size
  write_text(layout().parts / "config.json.part", noise(5000, 97));                 // too long
  HttpServer server([this](const Request& request) { return hub(request); });
  const auto model = fetch(options(server.url()));
  ASSERT_TRUE(model.ok()) << model.error().message;
  expect_whole(model->path);
}

TEST_F(HubTest, ReadsABodyOfUnknownLength) {
  std::atomic<int> asked{0};
  HttpServer server([&](const Request& request) {
    Reply reply = hub(request);
    reply.tell_length = false;
    if (request.path == hub_path(kBigFile) && asked++ == 0) reply.cut_after = 123'456;  // looks complete
    return reply;
  });
  const auto model = fetch(options(server.url()));
  ASSERT_TRUE(model.ok()) << model.error().message;
  expect_whole(model->path);
}

TEST_F(HubTest, RefusesAWrongChecksumAndNamesIt) {
  HttpServer server([this](const Request& request) {
    Reply reply = hub(request);
    if (request.path == hub_path("tokenizer.json")) reply.body[77] = static_cast<char>(reply.body[77] ^ 1);
    return reply;
  });
  const auto model = fetch(options(server.url()));
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kChecksum);
  std::string wrong = fake_.files.at("tokenizer.json");
  wrong[77] = static_cast<char>(wrong[77] ^ 1);
  for (const auto& part :
       {std::string("tokenizer.json"), sha256_of(fake_.files.at("tokenizer.json")), sha256_of(wrong)})
    EXPECT_NE(model.error().message.find(part), std::string::npos) << model.error().message;
  EXPECT_EQ(server.counts()[hub_path("tokenizer.json")], 1);
  EXPECT_FALSE(std::filesystem::exists(layout().model));
}

TEST_F(HubTest, RefusesAFileOfAnotherSizeBeforeFetchingIt) {
  for (const bool tell_length : {true, false}) {
    HttpServer server([&](const Request& request) {
      Reply reply = hub(request);
      if (request.path == hub_path(kBigFile)) reply.body += "more";
      reply.tell_length = tell_length;
      return reply;
    });
    const auto model = fetch(options(server.url()));
    ASSERT_FALSE(model.ok());
    EXPECT_EQ(model.error().code, ErrorCode::kChecksum);
    EXPECT_NE(model.error().message.find("600000"), std::string::npos) << model.error().message;
    EXPECT_EQ(server.counts()[hub_path(kBigFile)], 1) << "not a thing that another try mends";
  }
}

TEST_F(HubTest, ExplainsWhatToAcceptWhere) {
  for (const int status : {401, 403}) {
    HttpServer server([&](const Request&) { return Reply{.status = status, .body = "gated"}; });
    auto wanted = options(server.url());
    auto model = fetch(wanted);
    ASSERT_FALSE(model.ok());
    EXPECT_EQ(model.error().code, ErrorCode::kUnauthorized);
    for (const char* part :
         {"https://example.com/someone/fake-model", "HF_TOKEN", "accept", "no token was sent"})
      EXPECT_NE(model.error().message.find(part), std::string::npos) << model.error().message;
    EXPECT_EQ(server.requests().size(), 1U) << "a closed door is not knocked at twice";
    wanted.hub_token = "hf_wrong";
    model = fetch(wanted);
    ASSERT_FALSE(model.ok());
    EXPECT_NE(model.error().message.find("a token was sent"), std::string::npos);
    EXPECT_EQ(model.error().message.find("hf_wrong"), std::string::npos) << "a secret in a message";
  }
}

TEST_F(HubTest, NamesTheFileThatIsNotFound) {
  HttpServer server([this](const Request& request) {
    return request.path == hub_path("tokenizer.json") ? Reply{.status = 404} : hub(request);
  });
  const auto model = fetch(options(server.url()));
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kNetwork);
  EXPECT_NE(model.error().message.find("tokenizer.json: the server answered 404"), std::string::npos)
      << model.error().message;
  EXPECT_EQ(server.counts()[hub_path("tokenizer.json")], 1);
}

TEST_F(HubTest, RetriesWhatPasses) {
  std::atomic<int> asked{0};
  HttpServer server([&](const Request& request) {
    const int nth = asked++;
    if (nth == 0) return Reply{.status = 503, .headers = {{"Retry-After", "0"}}};
    if (nth == 1) return Reply{.status = 429};
    if (nth == 2) return Reply{.body = "x", .cut_after = 0};
    return hub(request);
  });
  const auto model = fetch(options(server.url()));
  ASSERT_TRUE(model.ok()) << model.error().message;
  expect_whole(model->path);
}

TEST_F(HubTest, GivesUpAfterAFewTries) {
  HttpServer server([](const Request&) { return Reply{.status = 500}; });
  const auto model = fetch(options(server.url()));
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kNetwork);
  EXPECT_EQ(server.requests().size(), 5U);
}

TEST_F(HubTest, GivesUpOnASilentServer) {
  fake_.release.patience.stall_s = 1;
  fake_.release.patience.attempts = 1;
  HttpServer server([this](const Request& request) {
    Reply reply = hub(request);
    reply.block_delay_ms = 4000;
    reply.body.resize(std::min<std::size_t>(reply.body.size(), 1));
    reply.tell_length = false;
    return reply;
  });
  const auto start = std::chrono::steady_clock::now();
  const auto model = fetch(options(server.url()));
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kNetwork);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(4));
}

TEST_F(HubTest, SendsTheTokenFromOptionEnvironmentOrFile) {
  HttpServer server([](const Request&) { return Reply{.status = 401}; });
  const auto sent = [&](const FetchOptions& wanted) {
    EXPECT_FALSE(fetch(wanted).ok());
    const auto requests = server.requests();
    const auto header = requests.back().headers.find("authorization");
    return header == requests.back().headers.end() ? std::string() : header->second;
  };
  auto wanted = options(server.url());
  EXPECT_EQ(sent(wanted), "");
  write_text(folder_ / "token", "hf_from_file\n");
  ::setenv("HF_TOKEN_PATH", (folder_ / "token").c_str(), 1);
  EXPECT_EQ(sent(wanted), "Bearer hf_from_file");
  ::unsetenv("HF_TOKEN_PATH");
  ::setenv("HF_HOME", folder_.c_str(), 1);
  EXPECT_EQ(sent(wanted), "Bearer hf_from_file");
  ::setenv("HF_TOKEN", " hf_from_environment\n", 1);
  EXPECT_EQ(sent(wanted), "Bearer hf_from_environment");
  wanted.hub_token = "hf_from_option";
  EXPECT_EQ(sent(wanted), "Bearer hf_from_option");
}

TEST_F(HubTest, TakesTheEndpointFromTheEnvironment) {
  HttpServer server([this](const Request& request) { return hub(request); });
  ::setenv("HF_ENDPOINT", server.url().c_str(), 1);
  EXPECT_TRUE(fetch(options("")).ok());
}

TEST_F(HubTest, KeepsTheTokenFromOtherHosts) {
  HttpServer elsewhere([this](const Request& request) {
    Request moved = request;
    moved.path = hub_path(request.path.substr(std::string("/moved/").size()));
    return hub(moved);
  });
  HttpServer server([&](const Request& request) {
    const std::string near = "/near";
    if (!request.path.starts_with(near))
      return Reply{.status = 307, .headers = {{"Location", near + request.path}}};
    const std::string file = request.path.substr(near.size() + hub_path("").size());
    return Reply{
        .status = 302, .headers = {{"Location", elsewhere.url() + "/moved/" + file}}, .body = "moved"};
  });
  auto wanted = options(server.url());
  wanted.hub_token = "hf_secret";
  const auto model = fetch(wanted);
  ASSERT_TRUE(model.ok()) << model.error().message;
  expect_whole(model->path);
  for (const auto& request : server.requests())
    EXPECT_EQ(request.headers.at("authorization"), "Bearer hf_secret");
  ASSERT_EQ(elsewhere.requests().size(), fake_.files.size());
  for (const auto& request : elsewhere.requests()) {
    for (const auto& [name, value] : request.headers)
      EXPECT_EQ(value.find("hf_secret"), std::string::npos) << "the token leaked in " << name;
  }
}

TEST_F(HubTest, FollowsNoRedirectWithoutEnd) {
  HttpServer server([](const Request& request) {
    return Reply{.status = 302, .headers = {{"Location", request.path + "x"}}};
  });
  const auto model = fetch(options(server.url()));
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kNetwork);
  EXPECT_EQ(server.requests().size(), 11U);
}

TEST_F(HubTest, FollowsNoRedirectToAFile) {
  HttpServer server([this](const Request&) {
    return Reply{.status = 302, .headers = {{"Location", "file://" + (folder_ / "secret").string()}}};
  });
  write_text(folder_ / "secret", fake_.files.at(kOptionalFile));
  const auto model = fetch(options(server.url()));
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kNetwork);
}

TEST_F(HubTest, IsCancelledInTheMiddle) {
  HttpServer server([this](const Request& request) {
    Reply reply = hub(request);
    reply.block_delay_ms = request.path == hub_path(kBigFile) ? 50 : 0;
    return reply;
  });
  auto wanted = options(server.url());
  std::atomic<bool> stop{false};
  wanted.progress = [&](const FetchProgress& progress) {
    if (progress.file == kBigFile) stop = true;
  };
  wanted.cancelled = [&] { return stop.load(); };
  auto model = fetch(wanted);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kCancelled);
  EXPECT_FALSE(std::filesystem::exists(layout().model));
  EXPECT_GT(size_of(layout().parts / (std::string(kBigFile) + ".part")), 0U) << "what has arrived is kept";
  stop = false;
  wanted.cancelled = {};
  ASSERT_TRUE(fetch(wanted).ok());
}

TEST_F(HubTest, SaysHowMuchDiskIsNeededWhere) {
  HttpServer server([this](const Request& request) { return hub(request); });
  fake_.release.free_bytes = [](const auto&) -> Result<std::uint64_t> { return 1234; };
  const auto model = fetch(options(server.url()));
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kIo);
  std::uint64_t total = 0;
  for (const auto& [path, bytes] : fake_.files) total += bytes.size();
  for (const auto& part : {std::to_string(total), std::string("1234"), layout().downloads.string()})
    EXPECT_NE(model.error().message.find(part), std::string::npos) << model.error().message;
  EXPECT_TRUE(server.requests().empty());
}

}  // namespace
}  // namespace gemvec::fetch::testing
