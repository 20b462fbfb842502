// What the writers promise: whole records, numbers that read back as they were, a name only when complete.
#include "cli/io/record_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cli/io/json_text.h"
#include "cli/io/npy_writer.h"

namespace gemvec::cli {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream all;
  all << file.rdbuf();
  return all.str();
}

class Writers : public ::testing::Test {
 protected:
  Writers() : folder_(::testing::TempDir() + "gemvec_writer_" + std::to_string(getpid())) {
    fs::create_directories(folder_);
  }
  ~Writers() override { fs::remove_all(folder_); }
  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }

  static std::unique_ptr<RecordWriter> writer(const std::string& path, OutputFormat format, std::size_t width,
                                              bool per_token = false) {
    auto output = OutputFile::open(path);
    EXPECT_TRUE(output.ok());
    auto writer = make_record_writer(std::move(*output), {format, width, per_token});
    EXPECT_TRUE(writer->begin().ok());
    return writer;
  }

  fs::path folder_;
  std::optional<RecordId> no_id_;
  std::optional<RecordId> text_id_ = RecordId{"a \"b\", c", true};
  std::optional<RecordId> number_id_ = RecordId{"7", false};
  std::vector<float> two_ = {0.5F, -1.0F};
  std::vector<float> four_ = {0.5F, -1.0F, 1e-10F, 3.0F};
};

TEST_F(Writers, JsonlHasOneObjectATextAndCarriesIds) {
  auto jsonl = writer(path("o"), OutputFormat::kJsonl, 2);
  ASSERT_TRUE(jsonl->write({0, &no_id_, 5, false, two_}).ok());
  ASSERT_TRUE(jsonl->write({1, &text_id_, 6, true, two_}).ok());
  ASSERT_TRUE(jsonl->write({2, &number_id_, 7, false, two_}).ok());
  ASSERT_TRUE(jsonl->finish().ok());
  EXPECT_EQ(jsonl->records(), 3U);
  EXPECT_EQ(content(path("o")),
            "{\"index\":0,\"tokens\":5,\"truncated\":false,\"embedding\":[0.5,-1]}\n"
            "{\"index\":1,\"id\":\"a \\\"b\\\", c\",\"tokens\":6,\"truncated\":true,\"embedding\":[0.5,-1]}\n"
            "{\"index\":2,\"id\":7,\"tokens\":7,\"truncated\":false,\"embedding\":[0.5,-1]}\n");
}

TEST_F(Writers, JsonlNestsTheVectorsOfTokens) {
  auto jsonl = writer(path("o"), OutputFormat::kJsonl, 2, true);
  ASSERT_TRUE(jsonl->write({0, &no_id_, 2, false, four_}).ok());
  ASSERT_TRUE(jsonl->finish().ok());
  EXPECT_EQ(content(path("o")),
            "{\"index\":0,\"tokens\":2,\"truncated\":false,\"token_embeddings\":[[0.5,-1],[1e-10,3]]}\n");
}

TEST_F(Writers, CsvQuotesIdsAndNumbersTheTokens) {
  auto csv = writer(path("o"), OutputFormat::kCsv, 2);
  ASSERT_TRUE(csv->write({0, &no_id_, 5, false, two_}).ok());
  ASSERT_TRUE(csv->write({1, &text_id_, 5, true, two_}).ok());
  ASSERT_TRUE(csv->finish().ok());
  EXPECT_EQ(content(path("o")),
            "index,id,tokens,truncated,e0,e1\n0,,5,false,0.5,-1\n1,\"a \"\"b\"\", c\",5,true,0.5,-1\n");
  auto tokens = writer(path("t"), OutputFormat::kCsv, 2, true);
  ASSERT_TRUE(tokens->write({0, &number_id_, 2, false, four_}).ok());
  ASSERT_TRUE(tokens->finish().ok());
  EXPECT_EQ(content(path("t")),
            "index,id,tokens,token,truncated,e0,e1\n0,\"7\",2,0,false,0.5,-1\n0,\"7\",2,1,false,1e-10,3\n");
}

TEST_F(Writers, NpyHeaderIsAlwaysTheSameLengthAndSaysTheShape) {
  for (const std::uint64_t rows : {std::uint64_t{0}, std::uint64_t{3}, UINT64_MAX}) {
    const std::string header = npy_header(rows, 768);
    ASSERT_EQ(header.size(), kNpyHeaderBytes);
    EXPECT_EQ(header.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
    EXPECT_EQ(static_cast<unsigned char>(header[8]) + 10U, kNpyHeaderBytes);
    EXPECT_EQ(header.back(), '\n');
    EXPECT_NE(header.find("'shape': (" + std::to_string(rows) + ", 768), }"), std::string::npos);
  }
}

TEST_F(Writers, NpyCountsRowsAtTheEnd) {
  auto npy = writer(path("o"), OutputFormat::kNpy, 2);
  ASSERT_TRUE(npy->write({0, &no_id_, 5, false, two_}).ok());
  ASSERT_TRUE(npy->write({1, &no_id_, 5, false, four_}).ok());
  ASSERT_TRUE(npy->finish().ok());
  const std::string file = content(path("o"));
  EXPECT_EQ(file.substr(0, kNpyHeaderBytes), npy_header(3, 2));
  EXPECT_EQ(file.size(), kNpyHeaderBytes + 6 * sizeof(float));
}

TEST_F(Writers, NpyThroughAPipeIsTheSameBytes) {
  const std::string fifo = path("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const int reader = open(fifo.c_str(), O_RDONLY | O_NONBLOCK);
  auto npy = writer(fifo, OutputFormat::kNpy, 2);
  ASSERT_TRUE(npy->write({0, &no_id_, 5, false, two_}).ok());
  EXPECT_EQ(npy->records(), 0U) << "nobody can see it yet";
  ASSERT_TRUE(npy->finish().ok());
  EXPECT_EQ(npy->records(), 1U);
  std::string got(1000, '\0');
  got.resize(static_cast<std::size_t>(read(reader, got.data(), got.size())));
  close(reader);
  EXPECT_EQ(got, npy_header(1, 2) + std::string(reinterpret_cast<const char*>(two_.data()), 8));
}

TEST_F(Writers, FileHasItsNameOnlyWhenItIsComplete) {
  for (const OutputFormat format : {OutputFormat::kJsonl, OutputFormat::kNpy}) {
    std::ofstream(path("o")) << "old";
    auto unfinished = writer(path("o"), format, 2);
    ASSERT_TRUE(unfinished->write({0, &no_id_, 5, false, two_}).ok());
    ASSERT_TRUE(unfinished->stop().ok());
    EXPECT_EQ(content(path("o")), "old");
    EXPECT_EQ(unfinished->output_name(), path("o.part"));
    unfinished.reset();
    const std::string part = content(path("o.part"));
    EXPECT_TRUE(format == OutputFormat::kJsonl ? part.ends_with("}\n") : part.starts_with(npy_header(1, 2)));
    auto finished = writer(path("o"), format, 2);
    ASSERT_TRUE(finished->finish().ok());
    EXPECT_NE(content(path("o")), "old");
    EXPECT_FALSE(fs::exists(path("o.part")));
  }
}

TEST_F(Writers, TwoProcessesDoNotWriteTheSameFile) {
  auto first = OutputFile::open(path("o"));
  ASSERT_TRUE(first.ok());
  auto second = OutputFile::open(path("o"));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().message, path("o.part") + ": another process is writing this file.");
}

TEST_F(Writers, ReplacingKeepsPermissionsAndLinks) {
  std::ofstream(path("target")) << "old";
  fs::permissions(path("target"), fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink(path("target"), path("link"));
  auto output = OutputFile::open(path("link"));
  ASSERT_TRUE(output.ok());
  ASSERT_TRUE(output->append("new").ok());
  ASSERT_TRUE(output->commit().ok());
  EXPECT_TRUE(fs::is_symlink(path("link")));
  EXPECT_EQ(content(path("target")), "new");
  EXPECT_EQ(fs::status(path("target")).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

// A limit on the size of files stands for the full disk: the write that crosses it is cut short.
TEST_F(Writers, LeaveNoHalfRecordOnAFullDisk) {
  auto output = OutputFile::open(path("o"));
  ASSERT_TRUE(output.ok());
  struct sigaction ignore = {};
  struct sigaction old = {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGXFSZ, &ignore, &old);
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 25;
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string record = "ten bytes\n";
  EXPECT_TRUE(output->append(record).ok());
  EXPECT_TRUE(output->append(record).ok());
  const Status full = output->append(record);
  setrlimit(RLIMIT_FSIZE, &before);
  sigaction(SIGXFSZ, &old, nullptr);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().message, path("o.part") + ": cannot write: File too large.");
  EXPECT_EQ(content(path("o.part")), record + record);
}

TEST_F(Writers, DevicesAreWrittenDirectlyAndSayWhenTheyAreFull) {
  auto output = OutputFile::open("/dev/full");
  ASSERT_TRUE(output.ok());
  const Status status = output->append("x");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "/dev/full: cannot write: No space left on device.");
  EXPECT_FALSE(fs::exists("/dev/full.part"));
}

TEST_F(Writers, FoldersAndMissingFoldersAreRefused) {
  EXPECT_EQ(OutputFile::open(folder_).error().message, folder_.string() + ": cannot write: Is a directory.");
  EXPECT_EQ(OutputFile::open(path("no/o")).error().message,
            path("no/o.part") + ": cannot create: No such file or directory.");
}

TEST(JsonText, FloatsReadBackAsTheSameBits) {
  std::mt19937 generator(1);
  for (int i = 0; i < 200'000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(generator()));
    if (!(value - value == 0)) continue;  // not finite: the library never returns these
    std::string text;
    append_float(text, value);
    float again = 0;
    std::from_chars(text.data(), text.data() + text.size(), again);
    ASSERT_EQ(std::bit_cast<std::uint32_t>(again), std::bit_cast<std::uint32_t>(value)) << text;
  }
}

TEST(JsonText, StringsAreEscapedAndAlwaysValid) {
  const auto json = [](std::string_view text) {
    std::string out;
    append_string(out, text);
    return out;
  };
  EXPECT_EQ(json("a\"b\\c\n\x01"), "\"a\\\"b\\\\c\\n\\u0001\"");
  EXPECT_EQ(json("é😀"), "\"é😀\"");
  EXPECT_EQ(json("a\xFF"
                 "b\xC3"),
            "\"a\uFFFDb\uFFFD\"");
  EXPECT_EQ(json("\xED\xA0\x80"), "\"\uFFFD\uFFFD\uFFFD\"") << "a surrogate";
  EXPECT_EQ(json("\xC0\xAF\xE0\x80\x80\xF4\x90\x80\x80").find('\xC0'), std::string::npos) << "overlong";
}

}  // namespace
}  // namespace gemvec::cli
