// What is on this machine already: the cache, folders that the user names, and what is known of them.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "fetch/fetch_fixture.h"
#include "fetch/folder_check.h"

namespace gemvec::fetch::testing {
namespace {

namespace fs = std::filesystem;

class CacheTest : public FetchTest {
 protected:
  CacheTest() {
    for (const auto& [path, bytes] : fake_.files) write_text(given_ / path, bytes);
  }

  Result<FetchedModel> fetch(FetchOptions options) {
    stages_.clear();
    options.progress = [this](const FetchProgress& progress) { stages_.emplace_back(progress.stage); };
    return fetch_release(fake_.release, options);
  }
  FetchOptions offline() const {
    auto wanted = options("http://127.0.0.1:1");
    wanted.offline = true;
    return wanted;
  }
  FetchOptions given() const {
    auto wanted = offline();
    wanted.model = given_;
    return wanted;
  }
  void fill_cache() {
    fs::create_directories(layout().model);
    fs::copy(given_, layout().model, fs::copy_options::recursive);
  }
  // Other bytes of the same length, and another time, however coarse the disk's clock.
  static void spoil(const fs::path& path) {
    std::string bytes = read_text(path);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_text(path, bytes);
    fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(2));
  }

  fs::path given_ = folder_ / "given";
  std::vector<std::string> stages_;
};

TEST_F(CacheTest, OfflineAndNothingHereSaysWhatToDo) {
  const auto model = fetch(offline());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kNotFound);
  for (const char* part : {"gemvec pull", "GEMVEC_MODEL", "models/fake-model"})
    EXPECT_NE(model.error().message.find(part), std::string::npos) << model.error().message;
}

TEST_F(CacheTest, LooksAtAWholeCacheWithoutReadingIt) {
  fill_cache();
  auto model = fetch(offline());
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->source, "cache");
  EXPECT_TRUE(model->verified);
  EXPECT_FALSE(stages_.empty()) << "files that nobody vouches for are hashed";
  model = fetch(offline());
  ASSERT_TRUE(model.ok());
  EXPECT_TRUE(stages_.empty()) << "files that have not changed were hashed again";
  expect_whole(layout().model);
}

TEST_F(CacheTest, HashesAgainWhatHasChanged) {
  fill_cache();
  ASSERT_TRUE(fetch(offline()).ok());
  spoil(layout().model / "tokenizer.json");
  const auto model = fetch(offline());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kChecksum);
  for (const auto& part : {std::string("tokenizer.json"), sha256_of(fake_.files.at("tokenizer.json")),
                           sha256_of(read_text(layout().model / "tokenizer.json"))})
    EXPECT_NE(model.error().message.find(part), std::string::npos) << model.error().message;
}

TEST_F(CacheTest, TrustsNoMarkerOfAnotherRelease) {
  fill_cache();
  ASSERT_TRUE(fetch(offline()).ok());
  fake_.release.files[0].sha256 = sha256_of("a later release");
  const auto model = fetch(offline());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kChecksum);
}

TEST_F(CacheTest, TrustsNoDamagedMarker) {
  fill_cache();
  for (const std::string& text :
       {std::string(""), std::string("{"), std::string("[]"), std::string(R"({"files":{"config.json":7}})"),
        std::string(R"({"files":{"config.json":{"bytes":-1,"mtime_ns":"x","sha256":5}}})"),
        std::string(2 << 20, '[')}) {
    write_text(layout().model / kMarkerName, text);
    const auto model = fetch(offline());
    ASSERT_TRUE(model.ok()) << model.error().message;
    EXPECT_FALSE(stages_.empty());
  }
}

TEST_F(CacheTest, SetsAWrongFileAsideAndFetchesItAlone) {
  fill_cache();
  ASSERT_TRUE(fetch(offline()).ok());
  spoil(layout().model / "tokenizer.json");
  const std::string wrong = read_text(layout().model / "tokenizer.json");
  HttpServer server([this](const Request& request) { return hub(request); });
  const auto model = fetch(options(server.url()));
  ASSERT_TRUE(model.ok()) << model.error().message;
  expect_whole(model->path);
  EXPECT_EQ(server.counts(), (std::map<std::string, int>{{hub_path("tokenizer.json"), 1}}));
  EXPECT_EQ(read_text(layout().wrong / "tokenizer.json"), wrong);
  ASSERT_EQ(model->notes.size(), 1U);
  EXPECT_NE(model->notes[0].find((layout().wrong / "tokenizer.json").string()), std::string::npos)
      << model->notes[0];
}

TEST_F(CacheTest, FetchesWhatIsMissingOrCutShort) {
  fill_cache();
  fs::remove(layout().model / "config.json");
  fs::resize_file(layout().model / kBigFile, 1000);
  HttpServer server([this](const Request& request) { return hub(request); });
  const auto model = fetch(options(server.url()));
  ASSERT_TRUE(model.ok()) << model.error().message;
  expect_whole(model->path);
  EXPECT_EQ(server.counts(),
            (std::map<std::string, int>{{hub_path("config.json"), 1}, {hub_path(kBigFile), 1}}));
}

TEST_F(CacheTest, NeedsNoSourceWhenAnInterruptedDownloadIsWholeAfterAll) {
  fs::create_directories(layout().files);
  fs::copy(given_, layout().files, fs::copy_options::recursive);  // killed before the last rename
  write_text(layout().files / (std::string(kMarkerName) + ".1234-0.tmp"), "half a record");
  const auto model = fetch(options("http://127.0.0.1:1"));
  ASSERT_TRUE(model.ok()) << model.error().message;
  expect_whole(model->path);
}

TEST_F(CacheTest, TakesNoFileOfAnInterruptedDownloadUnchecked) {
  write_text(layout().files / "config.json", std::string(fake_.files.at("config.json").size(), 'x'));
  HttpServer server([this](const Request& request) { return hub(request); });
  const auto model = fetch(options(server.url()));
  ASSERT_TRUE(model.ok()) << model.error().message;
  expect_whole(model->path);
}

TEST_F(CacheTest, RefusesACacheThatIsAFile) {
  write_text(cache_, "not a folder");
  HttpServer server([this](const Request& request) { return hub(request); });
  const auto model = fetch(options(server.url()));
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kIo);
  EXPECT_NE(model.error().message.find(cache_.string()), std::string::npos) << model.error().message;
}

TEST_F(CacheTest, VerifiesAGivenFolderOnceAndWritesNothingIntoIt) {
  const auto before = tree(given_);
  auto model = fetch(given());
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->source, "given");
  EXPECT_EQ(model->path, given_);
  EXPECT_TRUE(model->verified);
  EXPECT_TRUE(model->notes.empty());
  EXPECT_FALSE(stages_.empty());
  model = fetch(given());
  ASSERT_TRUE(model.ok());
  EXPECT_TRUE(model->verified);
  EXPECT_TRUE(stages_.empty()) << "hashed a second time";
  EXPECT_EQ(tree(given_), before);
  spoil(given_ / kBigFile);
  model = fetch(given());
  ASSERT_TRUE(model.ok());
  EXPECT_FALSE(model->verified) << "remembered beyond a change";
}

TEST_F(CacheTest, PrefersTheCallersFolderThenTheEnvironments) {
  fill_cache();
  const fs::path other = folder_ / "other";
  fs::copy(given_, other, fs::copy_options::recursive);
  ::setenv("GEMVEC_MODEL", other.c_str(), 1);
  EXPECT_EQ(fetch(offline())->path, other);
  EXPECT_EQ(fetch(offline())->source, "given");
  EXPECT_EQ(fetch(given())->path, given_);
  ::setenv("GEMVEC_MODEL", "", 1);
  EXPECT_EQ(fetch(offline())->source, "cache");
  ::setenv("GEMVEC_MODEL", (folder_ / "nowhere").c_str(), 1);
  const auto missing = fetch(offline());
  ASSERT_FALSE(missing.ok()) << "a folder that was named and is not there must not be replaced silently";
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message.find("GEMVEC_MODEL"), std::string::npos);
}

TEST_F(CacheTest, NamesTheFileThatAGivenFolderLacks) {
  fs::remove(given_ / "2_Dense" / "model.safetensors");
  const auto model = fetch(given());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kNotFound);
  EXPECT_NE(model.error().message.find("2_Dense/model.safetensors"), std::string::npos)
      << model.error().message;
}

TEST_F(CacheTest, DoesWithoutAFileThatOnlyOthersRead) {
  fs::remove(given_ / kOptionalFile);
  const auto model = fetch(given());
  ASSERT_TRUE(model.ok());
  EXPECT_TRUE(model->verified);
  ASSERT_EQ(model->notes.size(), 1U);
  EXPECT_NE(model->notes[0].find(kOptionalFile), std::string::npos);
}

TEST_F(CacheTest, AllowsAFineTuneAndSaysSo) {
  spoil(given_ / kBigFile);
  const auto model = fetch(given());
  ASSERT_TRUE(model.ok());
  EXPECT_FALSE(model->verified);
  ASSERT_EQ(model->notes.size(), 1U);
  EXPECT_NE(model->notes[0].find(kBigFile), std::string::npos) << model->notes[0];
}

TEST_F(CacheTest, HashesNoGivenFolderOfAnotherSize) {
  write_text(given_ / "config.json", "{}");
  const auto model = fetch(given());
  ASSERT_TRUE(model.ok());
  EXPECT_FALSE(model->verified);
  EXPECT_TRUE(stages_.empty());
  ASSERT_EQ(model->notes.size(), 1U);
  EXPECT_NE(model->notes[0].find("config.json"), std::string::npos) << model->notes[0];
}

TEST_F(CacheTest, ReadsAGivenFolderOfLinks) {
  const fs::path links = folder_ / "links";
  for (const auto& [path, bytes] : fake_.files) {
    fs::create_directories((links / path).parent_path());
    fs::create_symlink(given_ / path, links / path);
  }
  auto wanted = given();
  wanted.model = links;
  const auto model = fetch(wanted);
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_TRUE(model->verified);
}

TEST_F(CacheTest, IsCancelledWhileHashing) {
  fill_cache();
  auto wanted = offline();
  wanted.cancelled = [] { return true; };
  const auto model = fetch(wanted);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kCancelled);
}

TEST(Release, IsTheReleaseOfTheModelCard) {
  std::map<std::string, std::string> hashes;
  for (const auto& file : release_files()) {
    hashes[std::string(file.path)] = file.sha256;
    EXPECT_EQ(file.sha256.size(), 64U);
    EXPECT_GT(file.bytes, 0U);
  }
  EXPECT_EQ(hashes.at("model.safetensors"),
            "cbf5a78393b6a033e0b8a63a57549964f7ed5c6fbeb4ba0694214f36123f2fd2");
  EXPECT_EQ(hashes.at("2_Dense/model.safetensors"),
            "c327f2acb00149676ade24a75e11eb6ebbd367f9ee050267ba56829d2979f702");
  EXPECT_EQ(hashes.at("3_Dense/model.safetensors"),
            "ffb6cc5162e11e2ce6bc2367e121ee3bbbc4e82e1ee26826bd7573d4948d81b8");
  EXPECT_EQ(hashes.at("tokenizer.json"), "6852f8d561078cc0cebe70ca03c5bfdd0d60a45f9d2e0e1e4cc05b68e9ec329e");
  EXPECT_EQ(hashes.at("tokenizer.model"), "1299c11d7cf632ef3b4e11937501358ada021bbdf7c47638d13c0ee982f2e79c");
  for (const char* path :
       {"config.json", "config_sentence_transformers.json", "modules.json", "1_Pooling/config.json",
        "2_Dense/config.json", "3_Dense/config.json", "tokenizer_config.json"})
    EXPECT_TRUE(hashes.contains(path)) << path;
}

TEST(Release, HasTheMirrorsVersionsInOrder) {
  const auto& chunks = embeddinggemma().mirror.chunks;
  ASSERT_EQ(chunks.size(), 25U);
  for (std::size_t i = 0; i < chunks.size(); ++i)
    EXPECT_EQ(chunks[i].version, "0.2." + std::to_string(i + 1));
}

}  // namespace
}  // namespace gemvec::fetch::testing
