// The C API's similarity of vectors.
#include <fmt/format.h>

#include <cmath>
#include <span>

#include "base/try.h"
#include "capi/status.h"

namespace gemvec::capi {

namespace {

double dot(const float* a, const float* b, std::size_t dim) {
  double sum = 0;
  for (std::size_t i = 0; i < dim; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

double cosine(const float* a, const float* b, std::size_t dim) {
  const double lengths = std::sqrt(dot(a, a, dim)) * std::sqrt(dot(b, b, dim));
  return lengths > 0 ? dot(a, b, dim) / lengths : 0;
}

double minus_euclidean(const float* a, const float* b, std::size_t dim) {
  double sum = 0;
  for (std::size_t i = 0; i < dim; ++i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    sum += difference * difference;
  }
  return -std::sqrt(sum);
}

double minus_manhattan(const float* a, const float* b, std::size_t dim) {
  double sum = 0;
  for (std::size_t i = 0; i < dim; ++i) sum += std::abs(static_cast<double>(a[i]) - b[i]);
  return -sum;
}

using Similarity = double (*)(const float*, const float*, std::size_t);

Result<Similarity> similarity_of(std::int32_t kind) {
  switch (kind) {
    case GEMVEC_COSINE:
      return Similarity{cosine};
    case GEMVEC_DOT:
      return Similarity{dot};
    case GEMVEC_EUCLIDEAN:
      return Similarity{minus_euclidean};
    case GEMVEC_MANHATTAN:
      return Similarity{minus_manhattan};
    default:
      return invalid(fmt::format("kind {}: expected one of gemvec_similarity_kind.", kind));
  }
}

Status check(const float* a, std::size_t rows_a, const float* b, std::size_t rows_b, std::size_t dim,
             const float* out) {
  if (rows_a == 0 || rows_b == 0) return {};
  if (dim == 0) return invalid("dim 0: expected 1 at least.");
  if (a == nullptr) return null("a");
  if (b == nullptr) return null("b");
  if (out == nullptr) return null("out");
  return {};
}

}  // namespace

}  // namespace gemvec::capi

using namespace gemvec::capi;  // NOLINT: what follows has C's names
using gemvec::Status;

gemvec_status gemvec_similarity(int32_t kind, const float* a, size_t rows_a, const float* b, size_t rows_b,
                                size_t dim, float* out) {
  return guarded([&]() -> Status {
    GEMVEC_TRY(similarity, similarity_of(kind));
    GEMVEC_CHECK_OK(check(a, rows_a, b, rows_b, dim, out));
    for (size_t i = 0; i < rows_a; ++i) {
      for (size_t j = 0; j < rows_b; ++j) {
        out[i * rows_b + j] = static_cast<float>(similarity(a + i * dim, b + j * dim, dim));
      }
    }
    return {};
  });
}

gemvec_status gemvec_similarity_pairwise(int32_t kind, const float* a, const float* b, size_t rows,
                                         size_t dim, float* out) {
  return guarded([&]() -> Status {
    GEMVEC_TRY(similarity, similarity_of(kind));
    GEMVEC_CHECK_OK(check(a, rows, b, rows, dim, out));
    for (size_t i = 0; i < rows; ++i) out[i] = static_cast<float>(similarity(a + i * dim, b + i * dim, dim));
    return {};
  });
}
