// Models in one file: what is written comes back, and what is damaged is refused.
#include "formats/bundle.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "support/temp_dir.h"

namespace gemvec::formats {
namespace {

constexpr std::size_t kPage = 4096;

BundleContent text(BundlePart part, const std::string& content, std::uint64_t verified) {
  return {{part, 7, content.size(), verified}, [&content](std::span<std::byte> to) -> Status {
            std::memcpy(to.data(), content.data(), to.size());
            return {};
          }};
}

class BundleFile : public ::testing::Test {
 protected:
  [[nodiscard]] Status write() const {
    const std::vector<BundleContent> parts = {
        text(BundlePart::kDescription, description_, description_.size()),
        text(BundlePart::kTokenizer, tokenizer_, tokenizer_.size()),
        text(BundlePart::kWeights, weights_, 5000)};
    return write_bundle(path_, parts, nullptr);
  }
  [[nodiscard]] std::string read() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void replace(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }
  static std::string as_text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  testing::TempDir dir_;
  std::filesystem::path path_ = dir_.path() / "model.gemvec";
  std::string description_ = "{\"dtype\":\"q8\"}", tokenizer_ = std::string(4096, 't'),
              weights_ = std::string(9000, 'w');
};

TEST_F(BundleFile, GivesBackEveryPartAtAPage) {
  ASSERT_TRUE(write().ok());
  const auto bundle = Bundle::open(path_);
  ASSERT_TRUE(bundle.ok()) << bundle.error().message;
  EXPECT_EQ(as_text(bundle->bytes(BundlePart::kDescription)), description_);
  EXPECT_EQ(as_text(bundle->bytes(BundlePart::kTokenizer)), tokenizer_);
  EXPECT_EQ(as_text(bundle->bytes(BundlePart::kWeights)), weights_);
  EXPECT_EQ(bundle->section(BundlePart::kWeights).version, 7U);
  EXPECT_EQ(bundle->section(BundlePart::kWeights).verified_bytes, 5000U);
  base::ThreadPool pool(2);
  for (const auto part : {BundlePart::kDescription, BundlePart::kTokenizer, BundlePart::kWeights}) {
    EXPECT_TRUE(bundle->check(part, &pool).ok());
    EXPECT_TRUE(bundle->check(part, nullptr).ok());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bundle->bytes(part).data()) % kPage, 0U);
  }
}

// A bit in three of each byte: the whole page is under one checksum.
TEST_F(BundleFile, NoticesAFlippedBitInItsHeader) {
  ASSERT_TRUE(write().ok());
  const std::string good = read();
  for (std::size_t bit = 0; bit < kPage * 8; bit += 3) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    replace(bad);
    const auto bundle = Bundle::open(path_);
    ASSERT_FALSE(bundle.ok()) << "bit " << bit;
    ASSERT_EQ(bundle.error().message.rfind(path_.string(), 0), 0U) << bundle.error().message;
  }
}

TEST_F(BundleFile, NoticesAFlippedBitInWhatIsVerified) {
  ASSERT_TRUE(write().ok());
  std::string bad = read();
  for (const std::size_t at : {kPage, 2 * kPage + 17, 3 * kPage, 3 * kPage + 4999}) bad[at] ^= 1;
  replace(bad);
  const auto bundle = Bundle::open(path_);
  ASSERT_TRUE(bundle.ok());
  for (const auto part : {BundlePart::kDescription, BundlePart::kTokenizer, BundlePart::kWeights}) {
    const auto checked = bundle->check(part, nullptr);
    ASSERT_FALSE(checked.ok());
    EXPECT_NE(checked.error().message.find("checksum"), std::string::npos) << checked.error().message;
  }
}

// What lies behind the verified bytes carries its own checks: rows of a table.
TEST_F(BundleFile, LeavesTheRestToItsReader) {
  ASSERT_TRUE(write().ok());
  std::string changed = read();
  changed[3 * kPage + 5000] ^= 1;
  replace(changed);
  const auto bundle = Bundle::open(path_);
  ASSERT_TRUE(bundle.ok());
  EXPECT_TRUE(bundle->check(BundlePart::kWeights, nullptr).ok());
}

TEST_F(BundleFile, RefusesAFileOfAnotherLength) {
  ASSERT_TRUE(write().ok());
  const std::string good = read();
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{7}, kPage - 1, kPage, 2 * kPage, good.size() - 1}) {
    replace(good.substr(0, size));
    EXPECT_FALSE(Bundle::open(path_).ok()) << size;
  }
  replace(good + "x");
  EXPECT_FALSE(Bundle::open(path_).ok());
}

TEST_F(BundleFile, IsWrittenWholeOrNotAtAll) {
  weights_ = "other";
  ASSERT_FALSE(std::filesystem::exists(path_));
  const std::vector<BundleContent> parts = {
      text(BundlePart::kDescription, description_, description_.size()),
      text(BundlePart::kTokenizer, tokenizer_, tokenizer_.size()),
      {{BundlePart::kWeights, 1, 5, 5}, [](std::span<std::byte>) -> Status {
         return Error{ErrorCode::kIo, "no"};
       }}};
  const auto written = write_bundle(path_, parts, nullptr);
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().message, "no");
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));
}

}  // namespace
}  // namespace gemvec::formats
