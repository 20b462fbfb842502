// Models in one file: they give the same bits as the folder, alone, and say what their vectors are worth.
#include "gemvec/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec {
namespace {

constexpr std::size_t kPage = 4096;

class OneFile : public ::testing::TestWithParam<DType> {
 protected:
  OneFile() { testing::write_tiny_model(model_); }

  [[nodiscard]] QuantizeOptions options() const {
    QuantizeOptions options;
    options.model = model_;
    options.output = file_;
    options.dtype = GetParam();
    options.threads = 2;
    return options;
  }
  [[nodiscard]] Result<Embedder> load(const std::filesystem::path& model,
                                      std::optional<DType> dtype = {}) const {
    LoadOptions options;
    options.model = model;
    options.dtype = dtype;
    options.cache_dir = dir_.path() / "cache";
    options.threads = 2;
    return Embedder::load(options);
  }
  [[nodiscard]] static std::vector<float> vectors(const Embedder& embedder) {
    const std::vector<std::string_view> texts = {"a", "some words", "",
                                                 "and a text that is longer than the window"};
    const auto prefix = embedder.prompts().prefix("own");
    EXPECT_TRUE(prefix.ok());
    auto found = embedder.embed(texts, {.prefix = *prefix, .dim = 128});
    EXPECT_TRUE(found.ok()) << found.error().message;
    return found->values;
  }
  [[nodiscard]] std::string read() const {
    std::ifstream file(file_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  testing::TempDir dir_;
  std::filesystem::path model_ = dir_.path() / "model", file_ = dir_.path() / "model.gemvec";
};

TEST_P(OneFile, GivesTheFoldersBitsWithoutTheFolder) {
  testing::TinyModel tiny = testing::make_tiny_model();
  tiny.sentence_transformers["prompts"].as_object()["own"] = "mine: ";
  testing::save(tiny, model_);
  const auto folder = load(model_, GetParam());
  ASSERT_TRUE(folder.ok()) << folder.error().message;
  const std::vector<float> expected = vectors(*folder);

  const auto written = quantize_model(options());
  ASSERT_TRUE(written.ok()) << written.error().message;
  EXPECT_EQ(written->bytes, std::filesystem::file_size(file_));
  std::filesystem::remove_all(model_);
  const auto alone = load(file_);
  ASSERT_TRUE(alone.ok()) << alone.error().message;
  EXPECT_EQ(alone->info().dtype, name_of(GetParam()));
  EXPECT_EQ(alone->info().source_format, "gemvec");
  EXPECT_EQ(alone->info().packed_file, file_);
  EXPECT_EQ(vectors(*alone), expected);
}

TEST_P(OneFile, NamesWhatItHoldsWhenAskedForSomethingElse) {
  ASSERT_TRUE(quantize_model(options()).ok());
  const auto other = load(file_, GetParam() == DType::kQ4 ? DType::kQ8 : DType::kQ4);
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(other.error().message.find("holds " + std::string(name_of(GetParam())) + " weights"),
            std::string::npos)
      << other.error().message;
  EXPECT_TRUE(load(file_, GetParam()).ok());
  LoadOptions exact;
  exact.model = file_;
  exact.exact = true;
  EXPECT_EQ(Embedder::load(exact).error().code, ErrorCode::kInvalidArgument);
}

TEST_P(OneFile, IsNotWrittenOverAnother) {
  ASSERT_TRUE(quantize_model(options()).ok());
  const auto again = quantize_model(options());
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().message, file_.string() + ": exists already.");
  QuantizeOptions over = options();
  over.overwrite = true;
  EXPECT_TRUE(quantize_model(over).ok());
  over.model = file_;
  over.output = dir_.path() / "again.gemvec";
  EXPECT_EQ(quantize_model(over).error().code, ErrorCode::kInvalidArgument);
}

// Each part under its checksum, and the table's rows under theirs, which are looked at when a text needs
// them.
TEST_P(OneFile, IsRefusedOrFailsTheCallWhereItIsDamaged) {
  ASSERT_TRUE(quantize_model(options()).ok());
  const std::string good = read();
  for (std::size_t at = kPage; at < good.size(); at += good.size() / 23) {
    std::string bad = good;
    for (std::size_t i = 0; i < 64 && at + i < bad.size(); ++i)
      bad[at + i] = static_cast<char>(bad[at + i] ^ 0x10);
    std::ofstream(file_, std::ios::binary | std::ios::trunc) << bad;
    LoadOptions load_options;
    load_options.model = file_;
    load_options.use_cache = false;
    load_options.self_check = false;
    const auto embedder = Embedder::load(load_options);
    if (!embedder.ok()) {
      EXPECT_EQ(embedder.error().code, ErrorCode::kBadFormat) << embedder.error().message;
      continue;
    }
    // Every row of the table, in texts of 100 ids.
    bool noticed = false;
    for (std::int32_t id = 0; id < 600; id += 100) {
      std::vector<std::int32_t> ids(100);
      for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = id + static_cast<std::int32_t>(i);
      const std::vector<std::span<const std::int32_t>> texts = {ids};
      const auto found = embedder->embed_ids(texts);
      if (!found.ok()) noticed = found.error().message.find("checksum of row") != std::string::npos;
    }
    // Between two parts lie zeros that nobody reads.
    const bool padding = good.substr(at, 64).find_first_not_of('\0') == std::string::npos;
    EXPECT_TRUE(noticed || padding) << "at " << at;
  }
}

INSTANTIATE_TEST_SUITE_P(All, OneFile, ::testing::Values(DType::kBf16, DType::kQ8, DType::kQ4, DType::kMixed),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST(Quantize, RefusesWhatItCannotWrite) {
  const testing::TempDir dir;
  testing::write_tiny_model(dir.path() / "model");
  QuantizeOptions options;
  options.model = dir.path() / "model";
  options.output = dir.path() / "model.bin";
  EXPECT_EQ(quantize_model(options).error().message,
            options.output.string() + ": expected a name that ends in .gemvec.");
  options.output = dir.path() / "nowhere" / "model.gemvec";
  EXPECT_EQ(quantize_model(options).error().code, ErrorCode::kNotFound);
  options.output = dir.path() / "model.gemvec";
  options.dtype = DType::kFp32;
  EXPECT_EQ(quantize_model(options).error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(options.output));
}

// What layers read is measured over the texts that are given too: other texts, other bits; the same texts,
// the same bits.
TEST(Quantize, CalibratesOverTheCallersTexts) {
  const testing::TempDir dir;
  testing::write_tiny_model(dir.path() / "model");
  const std::vector<std::string> texts = {"some text", "and some more of it", "zzz"};
  const auto bytes = [&](std::string_view name, std::span<const std::string> calibration) {
    QuantizeOptions options;
    options.model = dir.path() / "model";
    options.output = dir.path() / name;
    options.calibration = calibration;
    EXPECT_TRUE(quantize_model(options).ok());
    std::ifstream file(options.output, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string random = bytes("a.gemvec", {}), own = bytes("b.gemvec", texts);
  EXPECT_EQ(random.size(), own.size());
  EXPECT_NE(random, own);
  EXPECT_EQ(own, bytes("c.gemvec", texts));
}

TEST(CompareAccuracy, FindsNothingBetweenTheSameAndSomethingBetweenOthers) {
  const testing::TempDir dir;
  testing::write_tiny_model(dir.path() / "model");
  LoadOptions options;
  options.model = dir.path() / "model";
  options.cache_dir = dir.path() / "cache";
  options.dtype = DType::kFp32;
  const auto exact = Embedder::load(options);
  options.dtype = DType::kMixed;
  const auto rough = Embedder::load(options);
  ASSERT_TRUE(exact.ok() && rough.ok());
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 20; ++i) texts.push_back(std::string(i * i, 'a') + std::to_string(i));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const auto same = compare_accuracy(*exact, *exact, views);
  ASSERT_TRUE(same.ok());
  EXPECT_EQ(same->top10_overlap, 1);
  std::size_t counted = 0;
  for (const LengthAccuracy& row : same->lengths) {
    EXPECT_NEAR(row.lowest_cosine, 1, 1e-6);  // unit vectors of 768 fp32 numbers
    counted += row.texts;
  }
  EXPECT_EQ(counted, texts.size());

  const auto other = compare_accuracy(*exact, *rough, views);
  ASSERT_TRUE(other.ok());
  ASSERT_EQ(other->worst.size(), 10U);
  for (std::size_t i = 1; i < other->worst.size(); ++i)
    EXPECT_LE(other->worst[i - 1].cosine, other->worst[i].cosine);
  EXPECT_LT(other->worst[0].cosine, 0.9999);
  double lowest = 1;
  for (const LengthAccuracy& row : other->lengths) lowest = std::min(lowest, row.lowest_cosine);
  EXPECT_EQ(lowest, other->worst[0].cosine);
}

}  // namespace
}  // namespace gemvec
