// Verification against the release, and the machine's limits.
#include "gemvec/diagnostics.h"

#include <fmt/format.h>

#include <bit>
#include <chrono>
#include <cmath>

#include "base/try.h"
#include "engine/accuracy.h"
#include "engine/card.h"
#include "engine/embedder_impl.h"
#include "engine/reference.h"

namespace gemvec {

namespace {

VerifyCase compare(std::string name, std::span<const float> found, std::span<const std::uint32_t> expected,
                   const engine::Accuracy& promised, std::size_t tokens) {
  VerifyCase result;
  result.name = std::move(name);
  double dot = 0;
  double squares_found = 0;
  double squares_expected = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double a = i < found.size() ? found[i] : 0;
    const double b = std::bit_cast<float>(expected[i]);
    result.max_abs_diff = std::max(result.max_abs_diff, std::abs(a - b));
    dot += a * b;
    squares_found += a * a;
    squares_expected += b * b;
  }
  result.cosine = dot / std::sqrt(squares_found * squares_expected);
  const bool elements = promised.max_abs_diff > 0;
  result.tolerance = elements ? promised.max_abs_diff : 1 - promised.cosine(tokens);
  result.ok = (elements ? result.max_abs_diff : 1 - result.cosine) <= result.tolerance;
  return result;
}

}  // namespace

Result<VerifyReport> verify(const Embedder& embedder) {
  const ModelInfo info = embedder.info();
  const auto promised = engine::Accuracy::of(*embedder.impl_);
  const auto cases = engine::reference_cases();
  std::vector<std::span<const std::int32_t>> ids;
  for (const auto& item : cases) {
    for (const std::int32_t id : item.ids) {
      if (static_cast<std::size_t>(id) >= info.vocab) {
        return Error{ErrorCode::kUnsupported,
                     "verify: these weights have another vocabulary than the release."};
      }
    }
    ids.push_back(item.ids);
  }
  GEMVEC_TRY(vectors, embedder.embed_ids(ids));

  VerifyReport report;
  report.ok = true;
  report.promised = promised.promises();
  // Which of the release's two weight sets these are, the card's example says.
  GEMVEC_TRY(card, engine::compare_with_card(embedder, embedder.impl_->dtype));
  const bool fp32_weights = card.weights == DType::kFp32;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    report.cases.push_back(compare(std::string(cases[i].name), vectors.vector(i),
                                   fp32_weights ? cases[i].fp32 : cases[i].bf16, promised,
                                   cases[i].ids.size()));
    report.ok = report.ok && report.cases.back().ok;
  }

  report.similarities.assign(card.similarities.begin(), card.similarities.end());
  report.expected_similarities.assign(card.expected.begin(), card.expected.end());
  VerifyCase similarities;
  similarities.name = "card's similarities";
  // The published values have six or seven digits.
  similarities.tolerance = promised.max_abs_diff > 0 ? 2e-6 : promised.similarity_tolerance();
  similarities.cosine = 1;
  similarities.max_abs_diff = card.max_abs_diff;
  similarities.ok = similarities.max_abs_diff <= similarities.tolerance;
  report.ok = report.ok && similarities.ok;
  report.cases.push_back(similarities);
  return report;
}

double measure_peak_gflops(const Embedder& embedder) {
  Embedder::Impl& impl = *embedder.impl_;
  const std::scoped_lock lock(impl.mutex);
  const auto& gemm = *impl.kernels->gemm;
  const bool int8 = impl.arithmetic() == "int8";
  const auto peak = int8                   ? impl.kernels->gemm_int8->peak
                    : impl.bf16_products() ? gemm.peak_bf16
                                           : gemm.peak_f32;
  // 2e6 rounds of 24 multiply-adds take 5 to 30 ms on current cores. For a third of a second, because others
  // may have the machine for a tenth, and five times at least, because a thread that has yet to wake up is
  // not waited for.
  constexpr std::size_t kIterations = 2'000'000;
  constexpr int kRuns = 5;
  constexpr std::chrono::milliseconds kTime{300};
  const auto begin = std::chrono::steady_clock::now();
  double best = 0;
  for (int run = 0; run < kRuns || std::chrono::steady_clock::now() - begin < kTime; ++run) {
    std::vector<double> flops(impl.pool->size());
    const auto start = std::chrono::steady_clock::now();
    impl.pool->run(flops.size(), [&](std::size_t i, unsigned) {
      float sink = 1e-9F;
      flops[i] = peak(kIterations, &sink) + (sink > 1e30F ? 1 : 0);  // `sink` is used, so the loop stays
    });
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    double total = 0;
    for (const double f : flops) total += f;
    best = std::max(best, total / seconds.count() / 1e9);
  }
  return best;
}

double linear_flops_per_token(const ModelInfo& info) {
  const double query = static_cast<double>(info.heads * info.head_dim);
  const auto width = static_cast<double>(info.width);
  const double qkv = width * (query + 2 * static_cast<double>(info.head_dim));
  const double ffn = 3 * width * static_cast<double>(info.ffn);
  return 2 * static_cast<double>(info.layers) * (qkv + query * width + ffn);
}

std::vector<IsaInfo> instruction_sets() {
  const auto selected = cpu::select_isa();
  std::vector<IsaInfo> list;
  for (const cpu::Isa isa : cpu::kAllIsas) {
    list.push_back({std::string(cpu::name_of(isa)), cpu::supported(isa), selected.ok() && *selected == isa});
  }
  return list;
}

std::string version() { return GEMVEC_VERSION; }

}  // namespace gemvec
