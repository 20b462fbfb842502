// A product cut into tasks: every panel once, in the order of the weights, and where a thread begins.
#include "model/shared_product.h"

#include <gtest/gtest.h>

#include <vector>

namespace gemvec::model {
namespace {

// Two layers of int8 that lie one behind the other, as query_key and value do.
struct Layers {
  PackedLinear first = {nullptr, Encoding::kInt8, 1024, 768};
  PackedLinear second = {nullptr, Encoding::kInt8, 256, 768};
  std::vector<std::byte> memory{first.bytes() + second.bytes()};

  Layers() {
    first.data = memory.data();
    second.data = memory.data() + first.bytes();
  }
};

TEST(SharedProduct, HasEveryPanelOnceInTheOrderOfTheWeights) {
  const Layers layers;
  for (const std::size_t step : {1U, 3U, 32U}) {
    const SharedProduct product(layers.first, layers.second, step);
    const std::byte* expected = layers.memory.data();
    for (std::size_t task = 0; task < product.tasks(); ++task) {
      const PanelRange range = product.at(task);
      ASSERT_EQ(range.weights(), expected) << task << " of " << step;
      ASSERT_GE(range.panels, 1U);
      ASSERT_LE(range.panels, step);
      ASSERT_LE(range.first + range.panels, range.layer->panels());
      expected += range.panels * range.layer->panel_bytes();
    }
    EXPECT_EQ(expected, layers.memory.data() + layers.memory.size());
  }
}

TEST(SharedProduct, SaysWhereAThreadBegins) {
  const Layers layers;
  const SharedProduct product(layers.first, layers.second, 1);  // 32 and 8 panels
  base::ThreadPool pool(4);
  EXPECT_EQ(product.first_weights(Team(pool), 0), layers.first.data);
  EXPECT_EQ(product.first_weights(Team(pool), 1), layers.first.data + 10 * layers.first.panel_bytes());
  EXPECT_EQ(product.first_weights(Team(pool), 3), layers.first.data + 30 * layers.first.panel_bytes());
  // A thread alone begins at the beginning, whichever it is.
  EXPECT_EQ(product.first_weights(Team(3U), 3), layers.first.data);
}

TEST(SharedProduct, SaysThatAThreadHasNoShare) {
  const Layers layers;
  base::ThreadPool pool(4);
  const SharedProduct product(layers.second, 8);  // one task
  int with_share = 0;
  for (unsigned thread = 0; thread < 4; ++thread) {
    if (product.first_weights(Team(pool), thread) != nullptr) ++with_share;
  }
  EXPECT_EQ(with_share, 1);
}

}  // namespace
}  // namespace gemvec::model
