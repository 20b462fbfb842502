// What codes are made of: the numbers of a source as they are, as long as they are not the release's.
#include "model/release_numbers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/aligned.h"
#include "base/thread_pool.h"
#include "model/weights.h"
#include "source/model_source.h"  // tidy: allow(rooms) opens the tiny model
#include "support/kernel_test.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace gemvec::model {
namespace {

using Block = base::AlignedBuffer<std::byte>;

// A tiny model with these numbers, and what packing makes of it.
class Model {
 public:
  explicit Model(RawType numbers) {
    testing::TinyOptions options;
    options.dtype = numbers;
    testing::write_tiny_model(dir_.path(), options);
    source_ = std::move(*source::open_model(dir_.path()));
  }

  [[nodiscard]] const RawWeights& raw() const { return source_.weights; }
  [[nodiscard]] const Config& config() const { return source_.config; }

  [[nodiscard]] Block pack(WeightType type) const {
    base::ThreadPool pool(2);
    const std::size_t bytes = PackedLayout::of(config(), type).bytes;
    Block block = std::move(*Block::create(bytes));
    std::fill_n(block.data(), bytes, std::byte{0});
    EXPECT_TRUE(
        pack_weights(config(), raw(), type, testing::selected_kernels(), pool, {block.data(), bytes}, {})
            .ok());
    return block;
  }

  [[nodiscard]] Weights view(WeightType type, const Block& block) const {
    return view_weights(config(), type, raw().embedding, {}, {block.data(), block.size()});
  }

 private:
  testing::TempDir dir_;
  source::ModelSource source_;
};

class OtherNumbers : public ::testing::TestWithParam<WeightType> {};

// The same seed: the second model's numbers are the first one's, rounded.
TEST_P(OtherNumbers, AreNotRoundedBeforeCodesAreMadeOfThem) {
  const Model fp32(RawType::kF32), bf16(RawType::kBf16);
  EXPECT_FALSE(are_release_numbers(fp32.raw()));
  EXPECT_FALSE(are_release_numbers(bf16.raw()));
  const Block packed = fp32.pack(GetParam()), rounded = bf16.pack(GetParam());
  const Weights weights = fp32.view(GetParam(), packed), others = bf16.view(GetParam(), rounded);
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    const auto same = [&](PackedLinear PackedLayer::*part) {
      const PackedLinear &one = weights.layers[i].*part, &other = others.layers[i].*part;
      return std::equal(one.data, one.data + one.bytes(), other.data);
    };
    EXPECT_FALSE(same(&PackedLayer::query_key)) << "layer " << i;
    EXPECT_FALSE(same(&PackedLayer::value)) << "layer " << i;
    EXPECT_FALSE(same(&PackedLayer::output)) << "layer " << i;
    EXPECT_FALSE(same(&PackedLayer::gate_up)) << "layer " << i;
    EXPECT_FALSE(same(&PackedLayer::down)) << "layer " << i;
    std::vector<float> w(fp32.config().width);
    read_row(fp32.raw().layers[i].input_norm, 0, false, w.data());
    for (std::size_t j = 0; j < w.size(); ++j) {
      EXPECT_EQ(weights.layers[i].input_norm[j], 1.0F + w[j]) << "layer " << i << ", " << j;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, OtherNumbers,
                         ::testing::Values(WeightType::kQ8, WeightType::kQ4, WeightType::kMixed),
                         [](const auto& info) { return std::string(name_of(info.param)); });

// bf16 is what it says.
TEST(OtherNumbers, AreRoundedWhereTheTypeIsBf16) {
  const Model fp32(RawType::kF32), bf16(RawType::kBf16);
  const Block packed = fp32.pack(WeightType::kBf16), rounded = bf16.pack(WeightType::kBf16);
  const std::size_t bytes = PackedLayout::of(fp32.config(), WeightType::kBf16).bytes;
  EXPECT_TRUE(std::equal(packed.data(), packed.data() + bytes, rounded.data()));
}

}  // namespace
}  // namespace gemvec::model
