#include "engine/card.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/try.h"

namespace gemvec::engine {

Result<CardComparison> compare_with_card(const Embedder& embedder, DType dtype) {
  std::vector<std::string_view> texts(kCardDocuments.begin(), kCardDocuments.end());
  texts.push_back(kCardQuery);
  GEMVEC_TRY(vectors, embedder.embed(texts));
  const auto query = vectors.vector(kCardDocuments.size());
  CardComparison result;
  result.expected = dtype == DType::kFp32 ? kCardFp32 : kCardBf16;
  for (std::size_t i = 0; i < result.similarities.size(); ++i) {
    double& similarity = result.similarities[i];
    for (std::size_t j = 0; j < vectors.dim; ++j) {
      similarity += static_cast<double>(vectors.vector(i)[j]) * query[j];
    }
    result.max_abs_diff = std::max(result.max_abs_diff, std::abs(similarity - result.expected[i]));
  }
  return result;
}

}  // namespace gemvec::engine
