// Conversions of a tiny model as the library sees them: reports, progress, cancellation, and models that a
// target cannot describe. tests/convert has the judges from outside.
#include "gemvec/convert.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "model/weights.h"
#include "source/model_source.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec {
namespace {

namespace fs = std::filesystem;
using testing::TempDir;
using testing::TinyModel;

class Convert : public ::testing::Test {
 protected:
  void SetUp() override { testing::write_tiny_model(model()); }

  [[nodiscard]] fs::path model() const { return dir_.path() / "model"; }
  [[nodiscard]] fs::path at(const char* name) const { return dir_.path() / name; }
  [[nodiscard]] ConvertOptions options(ConvertTarget target, const char* output) const {
    return {.model = model(), .output = at(output), .target = target};
  }
  // Everything in the folder but the model.
  [[nodiscard]] std::vector<std::string> others() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(dir_.path())) names.push_back(entry.path().filename());
    std::erase(names, "model");
    std::sort(names.begin(), names.end());
    return names;
  }
  static std::string message(const ConvertOptions& options, ErrorCode code) {
    const auto result = convert_model(options);
    EXPECT_FALSE(result.ok());
    if (result.ok()) return {};
    EXPECT_EQ(result.error().code, code) << result.error().message;
    return result.error().message;
  }

  TempDir dir_;
};

std::vector<float> numbers_of(const model::RawTensor& raw) {
  std::vector<float> x(raw.rows * raw.cols);
  for (std::size_t row = 0; row < raw.rows; ++row)
    model::read_row(raw, row, false, x.data() + row * raw.cols);
  return x;
}

void expect_same(const model::RawTensor& a, const model::RawTensor& b) {
  ASSERT_EQ(std::pair(a.rows, a.cols), std::pair(b.rows, b.cols));
  const auto x = numbers_of(a), y = numbers_of(b);
  EXPECT_EQ(std::memcmp(x.data(), y.data(), x.size() * sizeof(float)), 0);
  EXPECT_EQ(a.one_added, b.one_added);
}

TEST_F(Convert, SafetensorsReportSaysWhatWasWritten) {
  std::vector<std::uint64_t> done;
  auto options = this->options(ConvertTarget::kSafetensors, "out/");
  options.progress = [&](const ConvertProgress& progress) {
    EXPECT_LE(progress.done, progress.total);
    done.push_back(progress.done);
  };
  const auto report = convert_model(options);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->output, at("out"));
  EXPECT_EQ(report->source_format, "safetensors");
  EXPECT_EQ(report->source_numbers, "fp32");
  EXPECT_EQ(report->tensors, 1U + 7 * 13 + 1 + 2);
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(at("out"))) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  EXPECT_EQ(report->bytes, bytes);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_GT(done.back(), 0U);
  EXPECT_EQ(others(), std::vector<std::string>{"out"});
}

TEST_F(Convert, GgufMeansTheSameModel) {
  ASSERT_TRUE(convert_model(options(ConvertTarget::kGguf, "a.gguf")).ok());
  const auto a = source::open_model(model()), b = source::open_model(at("a.gguf"));
  ASSERT_TRUE(b.ok()) << b.error().message;
  EXPECT_TRUE(b->notes.empty());
  EXPECT_EQ(a->config.full_attention, b->config.full_attention);
  EXPECT_EQ(std::tuple(a->config.window, a->config.eps, a->config.query_scale, a->config.max_tokens),
            std::tuple(b->config.window, b->config.eps, b->config.query_scale, b->config.max_tokens));
  expect_same(a->weights.embedding, b->weights.embedding);
  expect_same(a->weights.final_norm, b->weights.final_norm);
  expect_same(a->weights.dense2, b->weights.dense2);
  expect_same(a->weights.dense3, b->weights.dense3);
  for (std::size_t i = 0; i < a->weights.layers.size(); ++i) {
    expect_same(a->weights.layers[i].q_norm, b->weights.layers[i].q_norm);
    expect_same(a->weights.layers[i].post_ffn_norm, b->weights.layers[i].post_ffn_norm);
    expect_same(a->weights.layers[i].k, b->weights.layers[i].k);
    expect_same(a->weights.layers[i].down, b->weights.layers[i].down);
  }
}

TEST_F(Convert, AnIrregularPatternOfLayersSurvives) {
  TinyModel tiny = testing::make_tiny_model();
  tiny.config.erase("_sliding_window_pattern");
  auto& types = tiny.config["layer_types"].as_array();
  types[0] = types[3] = "full_attention";
  testing::save(tiny, model());
  ASSERT_TRUE(convert_model(options(ConvertTarget::kGguf, "a.gguf")).ok());
  auto back = options(ConvertTarget::kSafetensors, "back");
  back.model = at("a.gguf");
  ASSERT_TRUE(convert_model(back).ok());
  const auto source = source::open_model(at("back"));
  ASSERT_TRUE(source.ok()) << source.error().message;
  EXPECT_EQ(source->config.full_attention, (std::vector<bool>{true, false, false, true, false, true, false}));
}

TEST_F(Convert, GgufHasNoPlaceForAnotherScaleOfTheLogits) {
  TinyModel tiny = testing::make_tiny_model();
  tiny.config["query_pre_attn_scalar"] = 100;
  testing::save(tiny, model());
  EXPECT_EQ(
      message(options(ConvertTarget::kGguf, "a.gguf"), ErrorCode::kUnsupported),
      model().string() +
          ": query_pre_attn_scalar: expected 32, the width of a head, found 100: a GGUF file cannot say "
          "anything else.");
  EXPECT_TRUE(others().empty());
}

TEST_F(Convert, CancellingLeavesNothing) {
  for (const auto target : {ConvertTarget::kSafetensors, ConvertTarget::kGguf, ConvertTarget::kOnnx}) {
    // At the first step, at some in between, and so on to the end.
    constexpr int kStride = 13;
    int steps = 0;
    for (int last = 0;; last += kStride) {
      auto options = this->options(target, "out");
      steps = 0;
      options.cancelled = [&] { return steps++ == last; };
      const auto result = convert_model(options);
      if (result.ok()) break;
      ASSERT_EQ(result.error().code, ErrorCode::kCancelled) << result.error().message;
      ASSERT_TRUE(others().empty()) << "at step " << last;
    }
    EXPECT_GT(steps, 90);  // at least once a tensor
    fs::remove_all(at("out"));
  }
}

TEST_F(Convert, AnErrorLeavesWhatWasThere) {
  testing::write_text(at("a.gguf"), "old");
  auto options = this->options(ConvertTarget::kGguf, "a.gguf");
  EXPECT_EQ(message(options, ErrorCode::kInvalidArgument),
            at("a.gguf").string() + ": exists already, and is replaced only by force.");
  options.overwrite = true;
  int steps = 0;
  options.cancelled = [&] { return ++steps == 50; };
  message(options, ErrorCode::kCancelled);
  EXPECT_EQ(*base::read_file(at("a.gguf"), 100), "old");
}

TEST_F(Convert, NumbersThatATargetHasNot) {
  auto options = this->options(ConvertTarget::kOnnx, "out");
  options.numbers = ConvertNumbers::kBf16;
  EXPECT_EQ(message(options, ErrorCode::kInvalidArgument),
            "numbers \"bf16\": expected one of fp32, q8, q4, which onnx files can have.");
  for (const auto target : {ConvertTarget::kSafetensors, ConvertTarget::kGguf, ConvertTarget::kOnnx}) {
    EXPECT_EQ(*parse_convert_target(name_of(target)), target);
  }
  EXPECT_EQ(*parse_convert_numbers("Q8_0", ConvertTarget::kGguf), ConvertNumbers::kQ8);
  EXPECT_EQ(*parse_convert_numbers("q4", ConvertTarget::kGguf), ConvertNumbers::kQ4);
  EXPECT_FALSE(parse_convert_numbers("q8_0", ConvertTarget::kOnnx).ok());
  EXPECT_FALSE(parse_convert_numbers("", ConvertTarget::kGguf).ok());
  EXPECT_FALSE(parse_convert_target("GGUF").ok());
}

}  // namespace
}  // namespace gemvec
