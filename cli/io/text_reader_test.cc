// What the readers promise: every text as it is, in order, and errors that say where and why.
#include "cli/io/text_reader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemvec::cli {
namespace {

// Gives one byte at a time, as the slowest pipe does.
class DripStream final : public ByteStream {
 public:
  explicit DripStream(std::string_view bytes) : rest_(bytes) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    if (rest_.empty()) return std::size_t{0};
    buffer[0] = rest_.front();
    rest_.remove_prefix(1);
    return std::size_t{1};
  }

 private:
  std::string_view rest_;
};

struct Outcome {
  std::vector<TextRecord> records;
  std::string error;
};

Outcome drain(RecordSource& source) {
  Outcome outcome;
  for (;;) {
    TextRecord record;
    auto more = source.next(record);
    if (!more.ok()) outcome.error = more.error().message;
    if (!more.ok() || !*more) return outcome;
    outcome.records.push_back(std::move(record));
  }
}

Outcome read_all(std::string_view bytes, const ReaderOptions& options) {
  auto source = make_record_source(
      LineReader(std::make_unique<StringStream>(bytes), "in", options.max_record_bytes), options);
  Outcome outcome = drain(*source);
  if (outcome.error.empty()) {
    EXPECT_EQ(source->bytes_done(), bytes.size());
  }
  auto slow = make_record_source(
      LineReader(std::make_unique<DripStream>(bytes), "in", options.max_record_bytes), options);
  const Outcome again = drain(*slow);
  EXPECT_EQ(again.records.size(), outcome.records.size()) << "depends on how the bytes arrive";
  EXPECT_EQ(again.error, outcome.error);
  return outcome;
}

std::vector<std::string> texts(const Outcome& outcome) {
  EXPECT_EQ(outcome.error, "");
  std::vector<std::string> all;
  for (const TextRecord& record : outcome.records) all.push_back(record.text);
  return all;
}

using Texts = std::vector<std::string>;

ReaderOptions format(InputFormat format) {
  ReaderOptions options;
  options.format = format;
  return options;
}

ReaderOptions ids(InputFormat format) {
  ReaderOptions options;
  options.format = format;
  options.field = "ids";
  options.ids = true;
  return options;
}

TEST(LinesReader, GivesOneTextALine) {
  const auto options = format(InputFormat::kLines);
  EXPECT_EQ(texts(read_all("", options)), Texts{});
  EXPECT_EQ(texts(read_all("a", options)), Texts{"a"});
  EXPECT_EQ(texts(read_all("a\nb\n", options)), (Texts{"a", "b"}));
  EXPECT_EQ(texts(read_all("a\r\nb\r\n", options)), (Texts{"a", "b"}));
}

TEST(LinesReader, KeepsEmptyLinesSpacesAndLoneCarriageReturns) {
  const auto options = format(InputFormat::kLines);
  EXPECT_EQ(texts(read_all("\n\na\n\n", options)), (Texts{"", "", "a", ""}));
  EXPECT_EQ(texts(read_all("  a \t\n", options)), Texts{"  a \t"});
  EXPECT_EQ(texts(read_all("a\rb\n", options)), Texts{"a\rb"});
  EXPECT_EQ(texts(read_all(std::string_view("a\0b\n", 4), options)), Texts{std::string("a\0b", 3)});
}

TEST(LinesReader, LeavesOutAByteOrderMarkAtTheBeginningOnly) {
  const auto options = format(InputFormat::kLines);
  EXPECT_EQ(texts(read_all("\xEF\xBB\xBF"
                           "a\n\xEF\xBB\xBF"
                           "b",
                           options)),
            (Texts{"a",
                   "\xEF\xBB\xBF"
                   "b"}));
}

TEST(LinesReader, ReadsALineOfTenMegabytes) {
  const std::string line(std::size_t{10} << 20, 'x');
  auto source = make_record_source(LineReader(std::make_unique<StringStream>(line), "in"), {});
  const Outcome outcome = drain(*source);
  ASSERT_EQ(outcome.records.size(), 1U);
  EXPECT_EQ(outcome.records[0].text, line);
}

TEST(LinesReader, RefusesALineAboveTheLimitByNumber) {
  auto options = format(InputFormat::kLines);
  options.max_record_bytes = 100'000;
  const Outcome outcome = read_all("a\n" + std::string(100'001, 'x'), options);
  EXPECT_EQ(outcome.records.size(), 1U);
  EXPECT_EQ(outcome.error, "in:2: the line is longer than 100000 bytes, the most that is read as one text.");
}

TEST(LinesReader, ReadsIdsAsTokenizePrintsThem) {
  const Outcome outcome = read_all("2 9259 1\n\n", ids(InputFormat::kLines));
  ASSERT_EQ(outcome.records.size(), 2U);
  EXPECT_EQ(outcome.records[0].ids, (std::vector<std::int32_t>{2, 9259, 1}));
  EXPECT_TRUE(outcome.records[1].ids.empty());
  EXPECT_EQ(read_all("2 x 1\n", ids(InputFormat::kLines)).error,
            "in:1: expected token ids with spaces between them, found \"x\".");
  EXPECT_NE(read_all("2 -1\n", ids(InputFormat::kLines)).error, "");
  EXPECT_NE(read_all("99999999999\n", ids(InputFormat::kLines)).error, "");
}

TEST(WholeFileReader, GivesOneTextWithItsNameAsId) {
  const Outcome outcome = read_all(
      "\xEF\xBB\xBF"
      "a\r\nb\n",
      format(InputFormat::kFile));
  ASSERT_EQ(outcome.records.size(), 1U);
  EXPECT_EQ(outcome.records[0].text, "a\r\nb\n");
  EXPECT_EQ(outcome.records[0].id->text, "in");
}

TEST(WholeFileReader, RefusesAFileAboveTheLimit) {
  auto options = format(InputFormat::kFile);
  options.max_record_bytes = 10;
  EXPECT_EQ(read_all("12345678901", options).error,
            "in: the file is larger than 10 bytes, the most that is read as one text.");
}

TEST(JsonlReader, TakesStringsAndObjectsAndPassesOverBlankLines) {
  auto options = format(InputFormat::kJsonl);
  options.title_field = "title";
  const Outcome outcome = read_all(
      "\"plain\"\n"
      " \t\n"
      "{\"id\": \"a\", \"text\": \"x\\ny\", \"title\": \"T\"}\r\n"
      "{\"text\": \"\\u00e9\", \"id\": 7, \"title\": null, \"other\": [1]}",
      options);
  EXPECT_EQ(texts(outcome), (Texts{"plain", "x\ny", "é"}));
  EXPECT_FALSE(outcome.records[0].id);
  EXPECT_TRUE(outcome.records[1].id->is_string);
  EXPECT_EQ(outcome.records[1].title, "T");
  EXPECT_EQ(outcome.records[1].where, "in:3");
  EXPECT_FALSE(outcome.records[2].id->is_string);
  EXPECT_EQ(outcome.records[2].id->text, "7");
  EXPECT_FALSE(outcome.records[2].title);
}

TEST(JsonlReader, LooksForTitlesOnlyWhenAsked) {
  const Outcome outcome = read_all("{\"text\": \"x\", \"title\": 5}", format(InputFormat::kJsonl));
  EXPECT_EQ(texts(outcome), Texts{"x"});
  EXPECT_FALSE(outcome.records[0].title);
}

TEST(JsonlReader, LetsInvalidUtf8ThroughToTheTokenizer) {
  EXPECT_EQ(texts(read_all("{\"text\": \"a\xFF"
                           "b\"}",
                           format(InputFormat::kJsonl))),
            Texts{"a\xFF"
                  "b"});
}

TEST(JsonlReader, SaysWhereAndWhatWasExpected) {
  auto options = format(InputFormat::kJsonl);
  options.field = "body";
  options.title_field = "title";
  const auto error = [&](std::string_view line) { return read_all(line, options).error; };
  EXPECT_EQ(error("\"a\"\n{\"text\": \"b\"}"), "in:2: the object has no member \"body\" (--field).");
  EXPECT_EQ(error("{\"body\": 5}"), "in:1: expected a string in \"body\", found a number.");
  EXPECT_EQ(error("[1]"), "in:1: expected a string in \"body\", found an array.");
  EXPECT_EQ(error("{\"body\": \"x\", \"title\": true}"),
            "in:1: expected a string in \"title\", found a boolean.");
  EXPECT_EQ(error("{\"body\": \"x\"").find("in:1: not valid JSON near byte "), 0U);
  EXPECT_NE(error("{\"body\": \"x\"} x"), "");
  EXPECT_NE(error(std::string(1000, '[') + std::string(1000, ']')), "");
}

TEST(JsonlReader, ReadsIdsFromArraysAndObjects) {
  const auto options = ids(InputFormat::kJsonl);
  const Outcome outcome = read_all("[2, 1]\n{\"ids\": [2, 5, 1], \"id\": 3}\n", options);
  ASSERT_EQ(outcome.records.size(), 2U) << outcome.error;
  EXPECT_EQ(outcome.records[1].ids, (std::vector<std::int32_t>{2, 5, 1}));
  EXPECT_EQ(read_all("[2, \"x\"]", options).error,
            "in:1: expected an array of token ids in \"ids\", found \"x\" in it.");
  EXPECT_NE(read_all("[2.5]", options).error, "");
  EXPECT_NE(read_all("[-1]", options).error, "");
  EXPECT_NE(read_all("[2147483648]", options).error, "");
  EXPECT_NE(read_all("\"2 1\"", options).error, "");
}

TEST(CsvReader, FindsItsColumnsByTheHeader) {
  auto options = format(InputFormat::kCsv);
  options.title_field = "title";
  const Outcome outcome = read_all("id,title,text\r\n1,T,a\r\n2,,b\r\n", options);
  EXPECT_EQ(texts(outcome), (Texts{"a", "b"}));
  EXPECT_EQ(outcome.records[0].id->text, "1");
  EXPECT_EQ(outcome.records[0].title, "T");
  EXPECT_FALSE(outcome.records[1].title);
  EXPECT_EQ(outcome.records[1].where, "in:3");
}

TEST(CsvReader, KeepsQuotedLineBreaksCommasQuotesAndSpaces) {
  const auto options = format(InputFormat::kCsv);
  EXPECT_EQ(texts(read_all("text\n\"a\r\nb\nc\"\n\"say \"\"hi\"\", ok\"\n  spaced  \n\"\"\n", options)),
            (Texts{"a\r\nb\nc", "say \"hi\", ok", "  spaced  ", ""}));
}

TEST(CsvReader, CountsLinesAcrossQuotedLineBreaks) {
  const Outcome outcome = read_all("text,n\n\"a\nb\",1\n\nc,2\nd\n", format(InputFormat::kCsv));
  ASSERT_EQ(outcome.records.size(), 2U);
  EXPECT_EQ(outcome.records[0].where, "in:2");
  EXPECT_EQ(outcome.records[1].where, "in:5");
  EXPECT_EQ(
      outcome.error,
      "in:6: the row has 1 fields where the header has 2 (a comma inside a text needs quotes around it).");
}

TEST(CsvReader, TakesALastRowWithoutALineBreakAndAByteOrderMark) {
  EXPECT_EQ(texts(read_all("\xEF\xBB\xBFtext\na", format(InputFormat::kCsv))), Texts{"a"});
  EXPECT_EQ(texts(read_all("text", format(InputFormat::kCsv))), Texts{});
  EXPECT_EQ(texts(read_all("", format(InputFormat::kCsv))), Texts{});
}

TEST(CsvReader, SaysWhereAndWhatWasExpected) {
  const auto error = [](std::string_view csv) { return read_all(csv, format(InputFormat::kCsv)).error; };
  EXPECT_EQ(error("a,b\n1,2\n"), "in:1: the header has no column \"text\" (--field); it has: a, b.");
  EXPECT_EQ(error("text,text\n1,2\n"), "in: the header has the column \"text\" twice.");
  EXPECT_EQ(error("text\na\"b\n").find("in:2: not valid CSV: a quote stands"), 0U);
  EXPECT_EQ(error("text\n\"a\nb"),
            "in:3: not valid CSV: the quoted field that begins in the row of line 2 never ends.");
}

TEST(CsvReader, RefusesARowAboveTheLimitThoughItsLinesAreShort) {
  auto options = format(InputFormat::kCsv);
  options.max_record_bytes = 1000;
  std::string csv = "text\n\"";
  for (int i = 0; i < 200; ++i) csv += "123456789\n";
  EXPECT_EQ(read_all(csv, options).error,
            "in:2: the row is longer than 1000 bytes, the most that is read as one record.");
}

TEST(CsvReader, ReadsIdsWithSpacesBetween) {
  const Outcome outcome = read_all("ids\n2 5 1\n", ids(InputFormat::kCsv));
  ASSERT_EQ(outcome.records.size(), 1U) << outcome.error;
  EXPECT_EQ(outcome.records[0].ids, (std::vector<std::int32_t>{2, 5, 1}));
}

class TextReaderFiles : public ::testing::Test {
 protected:
  std::string file(const std::string& name, std::string_view content) {
    std::string path = ::testing::TempDir() + "gemvec_reader_" + std::to_string(getpid()) + "_" + name;
    std::ofstream(path, std::ios::binary) << content;
    paths_.push_back(path);
    return path;
  }
  ~TextReaderFiles() override {
    for (const std::string& path : paths_) std::remove(path.c_str());
  }
  std::vector<std::string> paths_;
};

TEST_F(TextReaderFiles, FollowOneAnotherAndAreCounted) {
  TextReader reader({file("a", "text\n1\n"), file("b", "n,text\n5,2\n")}, format(InputFormat::kCsv));
  TextRecord record;
  EXPECT_TRUE(*reader.next(record));
  EXPECT_EQ(record.text, "1");
  EXPECT_TRUE(*reader.next(record));
  EXPECT_EQ(record.text, "2");
  EXPECT_EQ(record.where, paths_[1] + ":2");
  EXPECT_FALSE(*reader.next(record));
  EXPECT_EQ(reader.bytes_done(), reader.bytes_total());
}

TEST_F(TextReaderFiles, DoNotRunTogetherWithoutALastLineBreak) {
  TextReader reader({file("a", "1"), file("b", "2")}, {});
  TextRecord record;
  EXPECT_TRUE(*reader.next(record));
  EXPECT_EQ(record.text, "1");
  EXPECT_TRUE(*reader.next(record));
  EXPECT_EQ(record.text, "2");
}

TEST_F(TextReaderFiles, ThatAreMissingOrFoldersAreNamed) {
  TextRecord record;
  TextReader missing({"/nowhere/x"}, {});
  auto result = missing.next(record);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(result.error().message, "/nowhere/x: cannot open: No such file or directory.");
  TextReader folder({"/"}, {});
  result = folder.next(record);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message, "/: cannot read: Is a directory.");
}

}  // namespace
}  // namespace gemvec::cli
