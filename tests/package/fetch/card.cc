// A consumer of the installed library: the card's example with the release's weights, which must be here
// already.
#include <gemvec/embedder.h>
#include <gemvec/fetch.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::array<std::string_view, 1> kQuery = {"Which planet is known as the Red Planet?"};
constexpr std::array<std::string_view, 4> kDocuments = {
    "Venus is often called Earth's twin because of its similar size and proximity.",
    "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
    "Jupiter, the largest planet in our solar system, has a prominent red spot.",
    "Saturn, famous for its rings, is sometimes mistaken for the Red Planet."};
// Of the bf16 weights in fp32 arithmetic, to six digits; the card prints four.
constexpr std::array<double, 4> kSimilarities = {0.301097, 0.635883, 0.493050, 0.488875};
// Half a unit of the sixth digit, and rounding errors of two vectors of 768 elements of 1e-6 at most, which
// do not all point the same way.
constexpr double kTolerance = 5e-6;

int fail(const gemvec::Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return 1;
}

}  // namespace

int main() {
  const auto model = gemvec::fetch_model({.offline = true});
  if (!model.ok()) return fail(model.error());
  const auto embedder = gemvec::Embedder::load(
      {.model = model->path, .dtype = gemvec::DType::kBf16, .compute = gemvec::Compute::kFp32});
  if (!embedder.ok()) return fail(embedder.error());

  const auto query_prompt = embedder->prompts().prefix("retrieval-query");
  const auto document_prompt = embedder->prompts().prefix("retrieval-document");
  if (!query_prompt.ok()) return fail(query_prompt.error());
  if (!document_prompt.ok()) return fail(document_prompt.error());
  const auto query = embedder->embed(kQuery, {.prefix = *query_prompt});
  if (!query.ok()) return fail(query.error());
  const auto documents = embedder->embed(kDocuments, {.prefix = *document_prompt});
  if (!documents.ok()) return fail(documents.error());

  bool right = true;
  for (std::size_t i = 0; i < kDocuments.size(); ++i) {
    const auto a = query->vector(0);
    const auto b = documents->vector(i);
    const double similarity = std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
    std::printf("%.6f (expected %.6f)\n", similarity, kSimilarities[i]);
    right = right && std::abs(similarity - kSimilarities[i]) <= kTolerance;
  }
  return right ? 0 : 1;
}
