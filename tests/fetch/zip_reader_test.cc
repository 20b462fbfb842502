// Zips, good and hostile, whole and in pieces; and the hash of a file.
#include "fetch/zip_reader.h"

#include <gtest/gtest.h>

#include "fetch/fetch_fixture.h"

namespace gemvec::fetch::testing {
namespace {

class ZipReaderTest : public FetchTest {
 protected:
  // The bytes as files of `piece` bytes each, opened as one zip.
  Result<std::unique_ptr<ZipReader>> open(const std::string& bytes, std::size_t piece) {
    std::vector<std::filesystem::path> paths;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      paths.push_back(folder_ / std::to_string(at));
      write_text(paths.back(), bytes.substr(at, piece));
    }
    auto source = JoinedFiles::open(paths);
    return ZipReader::open(std::move(source).value(), "test.zip");
  }

  static Result<std::string> extract(ZipReader& zip, const std::string& member, std::uint64_t max_bytes) {
    std::string bytes;
    auto status = zip.extract(member, max_bytes, [&](std::span<const std::byte> block) {
      bytes.append(reinterpret_cast<const char*>(block.data()), block.size());
      return Status();
    });
    if (!status.ok()) return status.error();
    return bytes;
  }
};

TEST_F(ZipReaderTest, ReadsAZipCutAnywhereWithoutJoiningIt) {
  const std::string big = noise(70'000, 7);
  const std::string zip_bytes = make_zip({{"small", "abc"}, {"empty", ""}, {"big", big}});
  for (const std::size_t piece : {std::size_t{1000}, std::size_t{4097}, std::size_t{1} << 20}) {
    auto zip = open(zip_bytes, piece);
    ASSERT_TRUE(zip.ok()) << zip.error().message;
    EXPECT_EQ((*zip)->names(), (std::vector<std::string>{"small", "empty", "big"}));
    EXPECT_EQ(extract(**zip, "big", big.size()).value(), big) << piece;
    EXPECT_EQ(extract(**zip, "small", 100).value(), "abc");
    EXPECT_EQ(extract(**zip, "empty", 100).value(), "");
  }
}

TEST_F(ZipReaderTest, RefusesWhatIsNoZip) {
  for (const std::string& bytes : {std::string("x"), std::string("PK\5\6"), noise(5000, 1)}) {
    auto zip = open(bytes, 100);
    ASSERT_FALSE(zip.ok());
    EXPECT_EQ(zip.error().code, ErrorCode::kBadFormat);
    EXPECT_NE(zip.error().message.find("test.zip"), std::string::npos);
  }
}

TEST_F(ZipReaderTest, RefusesATruncatedZip) {
  const std::string zip_bytes = make_zip({{"big", noise(50'000, 7)}});
  EXPECT_FALSE(open(zip_bytes.substr(0, zip_bytes.size() - 30), 1 << 20).ok());
}

TEST_F(ZipReaderTest, GivesNoOtherBytesForADamagedMember) {
  const std::string original = std::string(5000, 'a') + noise(2000, 7);
  const std::string zip_bytes = make_zip({{"big", original}});
  int noticed = 0;
  constexpr int kChanges = 40;
  for (int i = 0; i < kChanges; ++i) {
    std::string changed = zip_bytes;
    const std::size_t at =
        40 + static_cast<std::size_t>(i) * 47;  // past the local header, before the directory
    changed[at] = static_cast<char>(changed[at] ^ 0x40);
    auto zip = open(changed, 1 << 20);
    ASSERT_TRUE(zip.ok());
    const auto bytes = extract(**zip, "big", 1 << 20);
    if (bytes.ok()) {
      EXPECT_EQ(*bytes, original) << "byte " << at;  // the length of a code that no symbol uses
      continue;
    }
    ++noticed;
    EXPECT_EQ(bytes.error().code, ErrorCode::kBadFormat);
    EXPECT_NE(bytes.error().message.find("'big'"), std::string::npos);
  }
  EXPECT_GT(noticed, kChanges * 3 / 4);
}

TEST_F(ZipReaderTest, StopsAtTheExpectedSize) {
  auto zip = open(make_zip({{"bomb", std::string(10'000'000, '\0')}}), 1 << 20);
  ASSERT_TRUE(zip.ok());
  std::uint64_t given = 0;
  const auto status = (*zip)->extract("bomb", 1000, [&](std::span<const std::byte> block) {
    given += block.size();
    return Status();
  });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(given, 0U);
  EXPECT_NE(status.error().message.find("1000 bytes"), std::string::npos);
}

TEST_F(ZipReaderTest, NamesTheMemberThatIsNotThere) {
  auto zip = open(make_zip({{"a", "1"}}), 1 << 20);
  ASSERT_TRUE(zip.ok());
  const auto bytes = extract(**zip, "b", 10);
  ASSERT_FALSE(bytes.ok());
  EXPECT_NE(bytes.error().message.find("'b'"), std::string::npos);
}

TEST_F(ZipReaderTest, PassesOnTheErrorOfTheReceiver) {
  auto zip = open(make_zip({{"a", "1"}}), 1 << 20);
  ASSERT_TRUE(zip.ok());
  const auto status = (*zip)->extract("a", 10, [](auto) -> Status {
    return Error{ErrorCode::kIo, "the disk is full"};
  });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "the disk is full");
}

TEST_F(ZipReaderTest, HashesFilesAsThePublishedVectorsSay) {
  write_text(folder_ / "abc", "abc");
  write_text(folder_ / "empty", "");
  write_text(folder_ / "million", std::string(1'000'000, 'a'));
  EXPECT_EQ(sha256_file(folder_ / "abc").value(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_file(folder_ / "empty").value(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_file(folder_ / "million").value(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  const auto missing = sha256_file(folder_ / "missing");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  const auto folder = sha256_file(folder_);
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace gemvec::fetch::testing
