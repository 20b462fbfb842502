#include "model/calibrate.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <vector>

#include "base/try.h"
#include "kernels/gemm_int8/gemm_int8.h"
#include "model/calibration_texts.h"
#include "model/columns.h"
#include "model/forward.h"
#include "model/input_statistics.h"
#include "model/pack.h"
#include "model/rope_tables.h"
#include "model/round_weights.h"

namespace gemvec::model {

namespace {

using kernels::kPanel;

// The texts: those of calibration_texts.h, and some of random ids, for what those few leave out. All are
// short, so that there are many of BOS and EOS among their tokens: those become tokens of very large norm, on
// which all others look. Number, length and seed were picked among a few that were tried:
// docs/quantization.md.
constexpr std::size_t kTexts = 16;
constexpr std::size_t kTextTokens = 64;
constexpr std::uint64_t kSeed = 3;
// Ids below are control tokens and rows that were never trained; so are the last 5 % of the table.
constexpr std::size_t kFirstId = 1000;
constexpr std::int32_t kBos = 2, kEos = 1;  // the release's

constexpr std::size_t kLinears = std::size(kLinearParts);
// What they read: query_key and value the same. In the order of kLinearParts.
constexpr std::size_t kInputs = 4;
constexpr std::array<std::size_t, kLinears> kInputOf = {0, 0, 1, 2, 3};

// In the order of kLinearParts.
std::array<PackedLinear*, kLinears> linears_of(PackedLayer& layer) {
  return {&layer.query_key, &layer.value, &layer.output, &layer.gate_up, &layer.down};
}

class Calibrator final : public InputObserver {
 public:
  Calibrator(const Config& config, const RawWeights& raw, const Recipe& recipe,
             const kernels::KernelTable& kernels, base::ThreadPool& pool, std::span<std::byte> block,
             const std::function<void(std::size_t)>& progress)
      : config_(config),
        raw_(raw),
        recipe_(recipe),
        kernels_(kernels),
        pool_(pool),
        block_(block),
        progress_(progress) {}

  Status run(WeightType type, const CalibrationTexts* texts) {
    GEMVEC_TRY(rope, RopeTables::create(config_, pool_));
    quantized_ = view_weights(config_, type, raw_.embedding, rope, block_);
    // The norms are the block's own; the matrices are packed in turn, and the table is the source's.
    exact_ = quantized_;
    exact_.type = WeightType::kBf16;
    Config one = config_;
    one.layers = 1;
    one_layer_ = PackedLayout::of(one, WeightType::kBf16);
    for (auto& slot : slots_) {
      GEMVEC_TRY(bytes, base::AlignedBuffer<std::byte>::create(one_layer_.final_norm));
      slot = std::move(bytes);
    }
    // The caller's texts come on top: a few of them alone would leave out directions that others have.
    CalibrationTexts all;
    if (texts != nullptr) all = *texts;
    add_texts(all);
    Workspace workspace;
    ForwardContext context;
    context.weights = &exact_;
    context.kernels = &kernels_;
    context.pool = &pool_;
    context.workspace = &workspace;
    context.observer = this;
    tokens_ = all.ids.size();
    const auto linears = linears_of(exact_.layers[0]);
    std::size_t most_inputs = 0;
    for (std::size_t i = 0; i < kLinears; ++i) {
      const std::size_t k = linears[i]->inputs;
      most_inputs = std::max(most_inputs, k);
      // Those of the first product of a layer come before the layer before has ended.
      for (std::size_t parity = 0; parity < (kInputOf[i] == 0 ? 2 : 1); ++parity) {
        GEMVEC_TRY(rows, base::AlignedBuffer<float>::create(tokens_ * k));
        inputs_[parity][kInputOf[i]] = std::move(rows);
      }
    }
    rounding_.assign(pool_.size(), PanelRounding(most_inputs));
    GEMVEC_CHECK_OK(forward(context, {all.ids, all.offsets}, {}));
    return failure_;
  }

  void begin_layer(std::size_t layer) override {
    progress_(layer);
    std::byte* to = slots_[layer % 2].data();
    const PackedLayout::Layer& at = one_layer_.layers[0];
    // pack_weights() has looked at all numbers.
    [[maybe_unused]] const Status packed =
        pack_layer(config_, raw_.layers[layer], at, Recipe::of(WeightType::kBf16), layer, pool_, to);
    assert(packed.ok());
    const std::array<std::size_t, kLinears> offsets = {at.query_key, at.value, at.output, at.gate_up,
                                                       at.down};
    const auto linears = linears_of(exact_.layers[layer]);
    for (std::size_t i = 0; i < kLinears; ++i) {
      linears[i]->encoding = Encoding::kBf16;
      linears[i]->data = to + offsets[i];
    }
  }

  void inputs(const PackedLinear& linear, std::size_t row, std::size_t rows, const float* in,
              std::size_t stride) override {
    const auto [layer, index] = find(linear);
    if (kLinearParts[index] == LinearPart::kValue) return;  // it reads what query_key does
    const std::size_t input = kInputOf[index], k = linear.inputs;
    float* to = inputs_[input == 0 ? layer % 2 : 0][input].data() + row * k;
    for (std::size_t i = 0; i < rows; ++i) std::copy_n(in + i * stride, k, to + i * k);
  }

  void end_layer(std::size_t layer) override {
    const auto linears = linears_of(quantized_.layers[layer]);
    const LinearSources sources(raw_.layers[layer]);
    for (std::size_t input = 0; input < kInputs && failure_.ok(); ++input) {
      std::vector<std::size_t> readers;
      for (std::size_t i = 0; i < kLinears; ++i) {
        if (kInputOf[i] == input && has_codes(linears[i]->encoding)) readers.push_back(i);
      }
      if (readers.empty()) continue;
      const float* rows = inputs_[input == 0 ? layer % 2 : 0][input].data();
      auto measured = measure_inputs(rows, tokens_, linears[readers[0]]->inputs, kernels_, pool_);
      if (!measured.ok()) {
        failure_ = measured.error();
        return;
      }
      for (const std::size_t i : readers) round(*linears[i], sources.rows(kLinearParts[i]), *measured);
    }
  }

 private:
  struct Found {
    std::size_t layer, index;
  };

  void round(const PackedLinear& linear, const RawRows& source, const InputStatistics& inputs) {
    std::byte* const data = block_.data() + (linear.data - block_.data());
    pool_.run(linear.panels(), [&](std::size_t panel, unsigned thread) {
      rounding_[thread].round(source, recipe_.round_to_bf16, linear, panel * kPanel, inputs, *kernels_.gemm,
                              data + panel * linear.panel_bytes());
    });
  }

  // Those of the project, then uniform ids from a fixed seed (a linear congruential generator: the same on
  // every machine).
  void add_texts(CalibrationTexts& to) const {
    const auto ids = calibration_ids();
    // To a model of another vocabulary, as tests have, they say nothing.
    if (static_cast<std::size_t>(*std::max_element(ids.begin(), ids.end())) < config_.vocab) {
      to.ids.insert(to.ids.end(), ids.begin(), ids.end());
      for (const std::size_t length : calibration_lengths()) to.offsets.push_back(to.offsets.back() + length);
    }
    std::uint64_t state = kSeed;
    const std::size_t length = std::min(kTextTokens, config_.max_tokens);
    const std::size_t last = config_.vocab - config_.vocab / 20;
    const std::size_t first = kFirstId < last ? kFirstId : 0;
    for (std::size_t text = 0; text < kTexts; ++text) {
      to.ids.push_back(kBos);
      for (std::size_t i = 2; i < length; ++i) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        to.ids.push_back(static_cast<std::int32_t>(first + (state >> 33U) % (last - first)));
      }
      to.ids.push_back(kEos);
      to.offsets.push_back(to.ids.size());
    }
  }

  // Which of the exact matrices it is.
  Found find(const PackedLinear& linear) {
    for (std::size_t i = 0; i < config_.layers; ++i) {
      const auto linears = linears_of(exact_.layers[i]);
      for (std::size_t j = 0; j < kLinears; ++j) {
        if (linears[j] == &linear) return {i, j};
      }
    }
    return {};
  }

  const Config& config_;
  const RawWeights& raw_;
  const Recipe& recipe_;
  const kernels::KernelTable& kernels_;
  base::ThreadPool& pool_;
  const std::span<std::byte> block_;
  const std::function<void(std::size_t)>& progress_;
  Weights quantized_, exact_;
  PackedLayout one_layer_;
  std::array<base::AlignedBuffer<std::byte>, 2> slots_;  // exact matrices of a layer and of the next one
  // [tokens, inputs] of a layer's products; of the first one by the layer's parity.
  std::array<std::array<base::AlignedBuffer<float>, kInputs>, 2> inputs_;
  std::vector<PanelRounding> rounding_;  // of each thread
  std::size_t tokens_ = 0;
  Status failure_;
};

}  // namespace

Status calibrate(const Config& config, const RawWeights& raw, WeightType type, const Recipe& recipe,
                 const kernels::KernelTable& kernels, base::ThreadPool& pool, std::span<std::byte> block,
                 const CalibrationTexts* texts, const std::function<void(std::size_t)>& progress) {
  return Calibrator(config, raw, recipe, kernels, pool, block, progress).run(type, texts);
}

}  // namespace gemvec::model
