#include "model/release_numbers.h"

#include <cstdint>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "model/weights.h"

namespace gemvec::model {

namespace {

// XXH3-64 of the first row of each matrix as fp32, each seeded with the hash of those before: the layers in
// order, the matrices of each as in RawLayer, the dense layers last. tests/golden/golden_test.cc opens the
// release and says so if it is not this.
constexpr std::uint64_t kRelease = 0xD8C7A007FA027E57;

}  // namespace

bool are_release_numbers(const RawWeights& weights) {
  std::uint64_t hash = 0;
  std::vector<float> row;
  const auto add = [&](const RawTensor& matrix) {
    if (matrix.rows == 0) return;  // no dense layers
    row.resize(matrix.cols);
    read_row(matrix, 0, false, row.data());
    hash = XXH3_64bits_withSeed(row.data(), row.size() * sizeof(float), hash);
  };
  for (const RawLayer& layer : weights.layers) {
    for (const RawTensor* matrix :
         {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down}) {
      add(*matrix);
    }
  }
  add(weights.dense2);
  add(weights.dense3);
  return hash == kRelease;
}

}  // namespace gemvec::model
