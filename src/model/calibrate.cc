#include "model/calibrate.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/try.h"
#include "kernels/gemm_int8/gemm_int8.h"
#include "model/forward.h"
#include "model/pack.h"
#include "model/rope_tables.h"

namespace gemvec::model {

namespace {

using kernels::kPanel;

// The texts. Number, length and seed were picked among a few that were tried on the golden texts, of which
// some are sensitive to the draw: docs/quantization.md.
constexpr std::size_t kTexts = 8;
constexpr std::size_t kTextTokens = 256;
constexpr std::uint64_t kSeed = 2;
// Ids below are control tokens and rows that were never trained; so are the last 5 % of the table.
constexpr std::size_t kFirstId = 1000;
constexpr std::int32_t kBos = 2, kEos = 1;  // the release's
// Differences are summed as integers of this unit, so that the order does not matter. Outputs are below 2^20
// and texts have 2^13 tokens together at most: sums stay below 2^57.
constexpr double kUnit = 0x1p-24;
// What lies beyond comes of damaged weights, and so does a NaN: no sum could hold it, and no bias make it
// good.
constexpr double kMostDifference = 0x1p25;

constexpr std::size_t kLinears = 5;  // query_key, value, output, gate_up, down

std::array<PackedLinear*, kLinears> linears_of(PackedLayer& layer) {
  return {&layer.query_key, &layer.value, &layer.output, &layer.gate_up, &layer.down};
}

class Calibrator final : public ProductObserver {
 public:
  Calibrator(const Config& config, const RawWeights& raw, const kernels::KernelTable& kernels,
             base::ThreadPool& pool, std::span<std::byte> block,
             const std::function<void(std::size_t)>& progress)
      : config_(config), raw_(raw), kernels_(kernels), pool_(pool), block_(block), progress_(progress) {}

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
    GEMVEC_TRY(threads, make_threads());
    threads_ = std::move(threads);

    CalibrationTexts random;
    if (texts == nullptr) {
      make_texts(random.ids, random.offsets);
      texts = &random;
    }
    Workspace workspace;
    ForwardContext context;
    context.weights = &exact_;
    context.kernels = &kernels_;
    context.pool = &pool_;
    context.workspace = &workspace;
    context.observer = this;
    tokens_ = texts->ids.size();
    return forward(context, {texts->ids, texts->offsets}, {});
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
    for (Thread& thread : threads_) {
      for (auto& sums : thread.sums[layer % 2]) std::fill(sums.begin(), sums.end(), 0);
    }
  }

  void products(const PackedLinear& layer, std::size_t first, std::size_t panels, std::size_t rows,
                const float* in, std::size_t in_stride, const float* out, std::size_t out_stride,
                unsigned thread) override {
    const auto [parity, index, codes] = find(layer);
    if (!has_codes(codes->encoding)) return;
    Thread& own = threads_[thread];
    const std::size_t k = layer.inputs, group = group_of(k);
    for (std::size_t row = 0; row < rows; ++row) {
      kernels_.quantize->row(in + row * in_stride, k, group,
                             own.codes.data() + row * k * kernels_.gemm_int8->code_bytes,
                             own.groups.data() + row * (k / group));
    }
    kernels::GemmInt8Args args;
    args.a = own.codes.data();
    args.lda = k;
    args.a_groups = own.groups.data();
    args.ldg = k / group;
    args.b = codes->data + first * codes->panel_bytes();
    args.c = own.products.data();
    args.ldc = panels * kPanel;
    args.m = rows;
    args.k = k;
    args.group = group;
    args.panels = panels;
    args.scratch = own.scratch.data();
    int8_kernel(*kernels_.gemm_int8, codes->encoding)(args);
    std::int64_t* sums = own.sums[parity][index].data() + first * kPanel;
    for (std::size_t row = 0; row < rows; ++row) {
      const float* quantized = own.products.data() + row * args.ldc;
      for (std::size_t j = 0; j < args.ldc; ++j) {
        const double difference = static_cast<double>(out[row * out_stride + j]) - quantized[j];
        if (std::abs(difference) < kMostDifference) sums[j] += std::llround(difference / kUnit);
      }
    }
  }

  void end_layer(std::size_t layer) override {
    const auto linears = linears_of(quantized_.layers[layer]);
    for (std::size_t i = 0; i < kLinears; ++i) {
      if (!has_codes(linears[i]->encoding)) continue;
      const std::size_t panel_bytes = linears[i]->panel_bytes();
      std::byte* data = block_.data() + (linears[i]->data - block_.data());
      for (std::size_t j = 0; j < linears[i]->outputs; ++j) {
        std::int64_t sum = 0;
        for (const Thread& thread : threads_) sum += thread.sums[layer % 2][i][j];
        auto* bias = reinterpret_cast<float*>(data + (j / kPanel + 1) * panel_bytes - kernels::kPanelBias);
        bias[j % kPanel] =
            static_cast<float>(static_cast<double>(sum) * kUnit / static_cast<double>(tokens_));
      }
    }
  }

 private:
  struct Thread {
    base::AlignedBuffer<std::byte> codes, scratch;
    base::AlignedBuffer<kernels::RowGroup> groups;
    base::AlignedBuffer<float> products;
    // Of differences, by the layer's parity and linear: [outputs].
    std::array<std::array<std::vector<std::int64_t>, kLinears>, 2> sums;
  };
  struct Found {
    std::size_t parity, index;
    const PackedLinear* codes;
  };

  // Uniform ids from a fixed seed (a linear congruential generator: the same on every machine).
  void make_texts(std::vector<std::int32_t>& ids, std::vector<std::size_t>& offsets) const {
    std::uint64_t state = kSeed;
    const std::size_t length = std::min(kTextTokens, config_.max_tokens);
    const std::size_t last = config_.vocab - config_.vocab / 20;
    const std::size_t first = kFirstId < last ? kFirstId : 0;
    for (std::size_t text = 0; text < kTexts; ++text) {
      ids.push_back(kBos);
      for (std::size_t i = 2; i < length; ++i) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        ids.push_back(static_cast<std::int32_t>(first + (state >> 33U) % (last - first)));
      }
      ids.push_back(kEos);
      offsets.push_back(ids.size());
    }
  }

  Result<std::vector<Thread>> make_threads() {
    std::size_t inputs = 0, outputs = 0;
    for (const PackedLinear* linear : linears_of(exact_.layers[0])) {
      inputs = std::max(inputs, linear->inputs);
      outputs = std::max(outputs, linear->outputs);
    }
    std::vector<Thread> threads(pool_.size());
    for (Thread& thread : threads) {
      const std::size_t codes = max_block_rows(kernels_) * inputs;
      GEMVEC_TRY(code, base::AlignedBuffer<std::byte>::create(codes * kernels_.gemm_int8->code_bytes));
      GEMVEC_TRY(groups, base::AlignedBuffer<kernels::RowGroup>::create(codes / kernels::kMinGroup));
      GEMVEC_TRY(scratch, base::AlignedBuffer<std::byte>::create(kernels::gemm_int8_scratch_bytes(inputs)));
      GEMVEC_TRY(products, base::AlignedBuffer<float>::create(max_block_rows(kernels_) * outputs));
      thread.codes = std::move(code);
      thread.groups = std::move(groups);
      thread.scratch = std::move(scratch);
      thread.products = std::move(products);
      for (auto& sums : thread.sums) {
        const auto linears = linears_of(exact_.layers[0]);
        for (std::size_t i = 0; i < kLinears; ++i) sums[i].resize(linears[i]->outputs);
      }
    }
    return threads;
  }

  // The quantised matrix of an exact one: by its place, since only two layers are there at a time.
  Found find(const PackedLinear& layer) {
    for (std::size_t i = 0; i < config_.layers; ++i) {
      const auto linears = linears_of(exact_.layers[i]);
      for (std::size_t j = 0; j < kLinears; ++j) {
        if (linears[j] == &layer) return {i % 2, j, linears_of(quantized_.layers[i])[j]};
      }
    }
    return {};
  }

  const Config& config_;
  const RawWeights& raw_;
  const kernels::KernelTable& kernels_;
  base::ThreadPool& pool_;
  const std::span<std::byte> block_;
  const std::function<void(std::size_t)>& progress_;
  Weights quantized_, exact_;
  PackedLayout one_layer_;
  std::array<base::AlignedBuffer<std::byte>, 2> slots_;  // exact matrices of a layer and of the next one
  std::vector<Thread> threads_;
  std::size_t tokens_ = 0;
};

}  // namespace

Status calibrate(const Config& config, const RawWeights& raw, WeightType type,
                 const kernels::KernelTable& kernels, base::ThreadPool& pool, std::span<std::byte> block,
                 const CalibrationTexts* texts, const std::function<void(std::size_t)>& progress) {
  return Calibrator(config, raw, kernels, pool, block, progress).run(type, texts);
}

}  // namespace gemvec::model
