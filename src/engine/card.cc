#include "engine/card.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/try.h"

namespace gemvec::engine {

namespace {

double largest_difference(const std::array<double, kCardDocuments.size()>& found,
                          const std::array<float, kCardDocuments.size()>& expected) {
  double largest = 0;
  for (std::size_t i = 0; i < found.size(); ++i)
    largest = std::max(largest, std::abs(found[i] - expected[i]));
  return largest;
}

}  // namespace

Result<CardComparison> compare_with_card(const Embedder& embedder, DType dtype) {
  std::vector<std::string_view> texts(kCardDocuments.begin(), kCardDocuments.end());
  texts.push_back(kCardQuery);
  GEMVEC_TRY(vectors, embedder.embed(texts));
  const auto query = vectors.vector(kCardDocuments.size());
  CardComparison result;
  for (std::size_t i = 0; i < result.similarities.size(); ++i) {
    double& similarity = result.similarities[i];
    for (std::size_t j = 0; j < vectors.dim; ++j) {
      similarity += static_cast<double>(vectors.vector(i)[j]) * query[j];
    }
  }
  const double from_fp32 = largest_difference(result.similarities, kCardFp32);
  const double from_bf16 = largest_difference(result.similarities, kCardBf16);
  const bool rounded = dtype != DType::kFp32 || from_bf16 < from_fp32;
  result.weights = rounded ? DType::kBf16 : DType::kFp32;
  result.expected = rounded ? kCardBf16 : kCardFp32;
  result.max_abs_diff = rounded ? from_bf16 : from_fp32;
  return result;
}

}  // namespace gemvec::engine
