// What one set of weights' vectors are worth beside another's.
#include <algorithm>
#include <array>
#include <numeric>

#include "base/try.h"
#include "gemvec/quantize.h"

namespace gemvec {

namespace {

constexpr std::array<std::size_t, 4> kLengths = {64, 256, 512, kMaxTokens};  // the promises' steps
constexpr std::size_t kWorst = 10, kNearest = 10;

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// The kNearest texts nearest to `text`, sorted by index. Of equal ones the first.
std::vector<std::size_t> nearest(const Embeddings& vectors, std::size_t text) {
  std::vector<double> similarity(vectors.count);
  for (std::size_t i = 0; i < vectors.count; ++i)
    similarity[i] = dot(vectors.vector(text), vectors.vector(i));
  similarity[text] = -2;  // below every cosine: a text is not its own neighbour
  std::vector<std::size_t> order(vectors.count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return similarity[a] > similarity[b]; });
  order.resize(kNearest);
  std::sort(order.begin(), order.end());
  return order;
}

double overlap_of_nearest(const Embeddings& exact, const Embeddings& other) {
  if (exact.count < kNearest + 2) return 0;
  std::size_t shared = 0;
  for (std::size_t text = 0; text < exact.count; ++text) {
    const auto a = nearest(exact, text), b = nearest(other, text);
    std::vector<std::size_t> both;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
    shared += both.size();
  }
  return static_cast<double>(shared) / static_cast<double>(exact.count * kNearest);
}

std::vector<LengthAccuracy> by_length(const std::vector<TextAccuracy>& texts) {
  std::vector<LengthAccuracy> rows;
  std::size_t least = 0;
  for (const std::size_t most : kLengths) {
    LengthAccuracy row;
    row.max_tokens = most;
    double sum = 0;
    for (const TextAccuracy& text : texts) {
      if (text.tokens <= least || text.tokens > most) continue;
      ++row.texts;
      sum += text.cosine;
      row.lowest_cosine = std::min(row.lowest_cosine, text.cosine);
    }
    least = most;
    if (row.texts == 0) continue;
    row.mean_cosine = sum / static_cast<double>(row.texts);
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

Result<AccuracyReport> compare_accuracy(const Embedder& exact, const Embedder& other,
                                        std::span<const std::string_view> texts,
                                        const EmbedOptions& options) {
  EmbedOptions unit = options;
  unit.normalize = true;
  GEMVEC_TRY(expected, exact.embed(texts, unit));
  GEMVEC_TRY(found, other.embed(texts, unit));
  std::vector<TextAccuracy> all(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    all[i] = {i, expected.texts[i].tokens, dot(expected.vector(i), found.vector(i))};
  }
  AccuracyReport report;
  report.lengths = by_length(all);
  report.top10_overlap = overlap_of_nearest(expected, found);
  std::stable_sort(all.begin(), all.end(),
                   [](const TextAccuracy& a, const TextAccuracy& b) { return a.cosine < b.cosine; });
  all.resize(std::min(all.size(), kWorst));
  report.worst = std::move(all);
  return report;
}

}  // namespace gemvec
