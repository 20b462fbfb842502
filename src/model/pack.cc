// Source tensors to packed weights.
#include <algorithm>
#include <atomic>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <string>

#include "base/try.h"
#include "kernels/gemm_int8/gemm_int8.h"
#include "model/calibrate.h"
#include "model/columns.h"
#include "model/embedding.h"
#include "model/embedding_row.h"
#include "model/numbers.h"
#include "model/pack.h"
#include "model/quantize.h"
#include "model/weights.h"

namespace gemvec::model {

namespace {

using kernels::kPanel;

// 3.39e38: bf16 has only infinity for what is as large or larger, and no weight is.
constexpr std::uint32_t kInfiniteAsBf16 = 0x7F7F8000;

// Also as bf16. Codes would make some number of one that is not, and plausible vectors.
bool all_finite(const float* x, std::size_t n) {
  unsigned found = 0;
  for (std::size_t i = 0; i < n; ++i)
    found |= (std::bit_cast<std::uint32_t>(x[i]) & 0x7FFFFFFFU) >= kInfiniteAsBf16 ? 1U : 0U;
  return found == 0;
}

Error not_finite(const std::string& where) {
  return {ErrorCode::kBadFormat,
          where + ": expected finite numbers, and none too large for bf16; the weights are damaged."};
}

// What calibration will write is looked at only. False if a number is not finite.
[[nodiscard]] bool pack_linear(const RawRows& source, const PackedLinear& layer, const Recipe& recipe,
                               base::ThreadPool& pool, std::byte* out) {
  std::atomic<bool> finite = true;
  const bool calibration_writes = recipe.calibrated && has_codes(layer.encoding);
  std::vector<Column> columns(pool.size(), Column(layer.inputs));
  pool.run(layer.panels(), [&](std::size_t index, unsigned thread) {
    Column& column = columns[thread];
    std::byte* panel = out + index * layer.panel_bytes();
    if (has_codes(layer.encoding)) {
      std::memset(panel + layer.panel_bytes() - kernels::kPanelBias, 0, kernels::kPanelBias);
    }
    for (std::size_t j = 0; j < kPanel; ++j) {
      source.read(index * kPanel + j, recipe.round_to_bf16, column.numbers.data());
      if (!all_finite(column.numbers.data(), layer.inputs)) {
        finite = false;
        return;
      }
      if (calibration_writes) continue;
      quantize_column(layer.encoding, recipe.per_channel, layer.inputs, column);
      place_column(layer.encoding, column, layer.inputs, j, panel);
    }
  });
  return finite;
}

// w is what is rounded, also where the source has 1 + w: these have fewer bits left for it. False if a number
// is not finite.
[[nodiscard]] bool pack_norm(const RawTensor& raw, bool round, float factor, std::byte* out) {
  float* scale = reinterpret_cast<float*>(out);
  read_row(raw, 0, false, scale);
  for (std::size_t i = 0; i < raw.cols; ++i) {
    float with_one = raw.one_added ? scale[i] : 1.0F + scale[i];
    if (round) with_one = 1.0F + from_bf16(to_bf16(raw.one_added ? scale[i] - 1.0F : scale[i]));
    scale[i] = with_one * factor;
  }
  return all_finite(scale, raw.cols);
}

// Rows and columns of the head summed at a time: 16 doubles are half of the baseline's 16 registers of two,
// and each number that is read serves four products. Both divide every width.
constexpr std::size_t kHeadRows = 4, kHeadColumns = 4;

// A row of a dense layer: on the grid of 4 bits where that is part of the recipe, though multiplied in fp32.
// False if a number is not finite.
[[nodiscard]] bool read_dense(const RawTensor& dense, std::size_t row, const Recipe& recipe, float* out) {
  read_row(dense, row, recipe.round_to_bf16, out);
  const bool finite = all_finite(out, dense.cols);
  if (!recipe.per_channel || !finite) return finite;
  Column column(dense.cols);
  quantize_channel_int4(out, dense.cols, dense.cols, column.codes.data(), column.steps.data(),
                        column.scales.data());
  for (std::size_t i = 0; i < dense.cols; ++i) {
    out[i] = static_cast<float>(static_cast<int>(column.codes[i]) - 8) * column.scales[0];
  }
  return true;
}

// dense3 * dense2, in double: neither has a bias or an activation between them, and doing it once saves
// 6/7 of the head's work for every text. Without them, what changes nothing.
Result<std::vector<float>> fold_head(const Config& config, const RawWeights& raw, const Recipe& recipe,
                                     base::ThreadPool& pool) {
  const std::size_t width = config.width;
  const std::size_t inner = config.dense_width;
  std::vector<float> folded(width * width);
  if (inner == 0) {
    for (std::size_t n = 0; n < width; ++n) folded[n * width + n] = 1.0F;
    return folded;
  }
  std::atomic<bool> finite = true;
  std::vector<double> dense2(inner * width);  // [width / kHeadColumns][inner][kHeadColumns]
  std::vector<float> scratch(pool.size() * std::max(width, kHeadRows * inner));
  const auto scratch_of = [&](unsigned thread) {
    return scratch.data() + thread * (scratch.size() / pool.size());
  };
  pool.run(inner, [&](std::size_t j, unsigned thread) {
    float* row = scratch_of(thread);
    if (!read_dense(raw.dense2, j, recipe, row)) finite = false;
    for (std::size_t k = 0; k < width; k += kHeadColumns) {
      std::copy(row + k, row + k + kHeadColumns, dense2.data() + k * inner + j * kHeadColumns);
    }
  });
  pool.run(width / kHeadRows, [&](std::size_t task, unsigned thread) {
    float* dense3 = scratch_of(thread);  // [kHeadRows, inner]
    for (std::size_t r = 0; r < kHeadRows; ++r) {
      if (!read_dense(raw.dense3, task * kHeadRows + r, recipe, dense3 + r * inner)) finite = false;
    }
    for (std::size_t k = 0; k < width; k += kHeadColumns) {
      double sums[kHeadRows][kHeadColumns] = {};
      for (std::size_t j = 0; j < inner; ++j) {
        const double* row = dense2.data() + k * inner + j * kHeadColumns;
        for (std::size_t r = 0; r < kHeadRows; ++r) {
          const double factor = dense3[r * inner + j];
          for (std::size_t i = 0; i < kHeadColumns; ++i) sums[r][i] += factor * row[i];
        }
      }
      for (std::size_t r = 0; r < kHeadRows; ++r) {
        float* to = folded.data() + (task * kHeadRows + r) * width + k;
        for (std::size_t i = 0; i < kHeadColumns; ++i) to[i] = static_cast<float>(sums[r][i]);
      }
    }
  });
  if (!finite) return not_finite("the dense layers");
  return folded;
}

Status pack_head(const Config& config, const RawWeights& raw, const Recipe& recipe, base::ThreadPool& pool,
                 std::byte* out) {
  GEMVEC_TRY(folded, fold_head(config, raw, recipe, pool));
  const std::size_t width = config.width;
  RawTensor head;
  head.rows = head.cols = width;
  head.data = reinterpret_cast<const std::byte*>(folded.data());
  const RawTensor* const parts[] = {&head};
  const PackedLinear linear{nullptr, Encoding::kF32, width, width};
  if (!pack_linear(RawRows{parts}, linear, Recipe::of(WeightType::kF32), pool, out))
    return not_finite("the dense layers' product");
  return {};
}

// Rows of the embedding table that one task packs: some milliseconds' worth.
constexpr std::size_t kEmbeddingRows = 1024;

Status pack_embedding(const Config& config, const RawTensor& raw, const Recipe& recipe,
                      base::ThreadPool& pool, std::byte* out) {
  std::atomic<bool> finite = true;
  const EmbeddingRows rows(recipe, config);
  std::vector<float> scratch(pool.size() * raw.cols);
  pool.run((raw.rows + kEmbeddingRows - 1) / kEmbeddingRows, [&](std::size_t task, unsigned thread) {
    float* x = scratch.data() + thread * raw.cols;
    const std::size_t end = std::min(raw.rows, (task + 1) * kEmbeddingRows);
    for (std::size_t row = task * kEmbeddingRows; row < end; ++row) {
      read_row(raw, row, recipe.round_to_bf16, x);
      if (!all_finite(x, raw.cols)) {
        finite = false;
        return;
      }
      pack_row(rows.encoding(row), x, raw.cols, out + rows.offset(row));
    }
  });
  if (!finite) return not_finite("the embedding table");
  return {};
}

}  // namespace

Status pack_layer(const Config& config, const RawLayer& from, const PackedLayout::Layer& to,
                  const Recipe& recipe, std::size_t layer, base::ThreadPool& pool, std::byte* block) {
  const bool round = recipe.round_to_bf16;
  const auto where = [&](const char* part) {
    return not_finite("layer " + std::to_string(layer) + ", " + part);
  };
  bool finite = pack_norm(from.input_norm, round, 1.0F, block + to.input_norm);
  finite &= pack_norm(from.post_attention_norm, round, 1.0F, block + to.post_attention_norm);
  finite &= pack_norm(from.pre_ffn_norm, round, 1.0F, block + to.pre_ffn_norm);
  finite &= pack_norm(from.post_ffn_norm, round, 1.0F, block + to.post_ffn_norm);
  finite &= pack_norm(from.q_norm, round, config.query_scale, block + to.q_norm);
  finite &= pack_norm(from.k_norm, round, 1.0F, block + to.k_norm);
  if (!finite) return where("norms");
  const LinearSources sources(from);
  const auto linear = [&](LinearPart part, Encoding encoding, std::size_t offset) {
    const RawRows source = sources.rows(part);
    std::size_t rows = 0;
    for (const RawTensor* matrix : source.parts) rows += matrix->rows;
    return pack_linear(source, {nullptr, encoding, rows, source.parts[0]->cols}, recipe, pool,
                       block + offset);
  };
  if (!linear(LinearPart::kQueryKey, recipe.query_key, to.query_key)) return where("q or k");
  if (!linear(LinearPart::kValue, recipe.value, to.value)) return where("v");
  if (!linear(LinearPart::kOutput, recipe.output, to.output)) return where("o");
  if (!linear(LinearPart::kGateUp, recipe.gate_up, to.gate_up)) return where("gate or up");
  if (!linear(LinearPart::kDown, recipe.down, to.down)) return where("down");
  return {};
}

void read_row(const RawTensor& tensor, std::size_t row, bool round_to_bf16, float* out) {
  switch (tensor.type) {
    case RawType::kF32:
      std::memcpy(out, tensor.data + row * tensor.cols * sizeof(float), tensor.cols * sizeof(float));
      break;
    case RawType::kRows:
      tensor.reader->read(row, out);
      break;
    case RawType::kBf16:
    case RawType::kF16: {
      const std::byte* from = tensor.data + row * tensor.cols * sizeof(std::uint16_t);
      for (std::size_t i = 0; i < tensor.cols; ++i) {
        std::uint16_t half;
        std::memcpy(&half, from + i * sizeof(half), sizeof(half));
        out[i] = tensor.type == RawType::kBf16 ? from_bf16(half) : from_f16(half);
      }
      break;
    }
  }
  if (round_to_bf16 && tensor.type != RawType::kBf16) {
    for (std::size_t i = 0; i < tensor.cols; ++i) out[i] = from_bf16(to_bf16(out[i]));
  }
}

Status pack_weights(const Config& config, const RawWeights& raw, WeightType type,
                    const kernels::KernelTable& kernels, base::ThreadPool& pool, std::span<std::byte> block,
                    const std::function<void(std::uint64_t, std::uint64_t)>& progress,
                    const CalibrationTexts* texts) {
  const PackedLayout layout = PackedLayout::of(config, type);
  assert(block.size() >= layout.bytes);
  const Recipe recipe = Recipe::of(type, raw);
  const bool round = recipe.round_to_bf16;
  const auto at = [&](std::size_t offset) { return block.data() + offset; };
  // Calibration takes about as long as packing: half of the way.
  const std::uint64_t total = recipe.calibrated ? 2 * layout.bytes : layout.bytes;
  const auto report = [&](std::uint64_t done) {
    if (progress) progress(done, total);
  };
  for (std::size_t i = 0; i < config.layers; ++i) {
    report(layout.layers[i].input_norm);
    GEMVEC_CHECK_OK(pack_layer(config, raw.layers[i], layout.layers[i], recipe, i, pool, block.data()));
  }
  report(layout.final_norm);
  if (!pack_norm(raw.final_norm, round, 1.0F, at(layout.final_norm))) return not_finite("the last norm");
  GEMVEC_CHECK_OK(pack_head(config, raw, recipe, pool, at(layout.head)));
  report(layout.embedding);
  if (recipe.embedding != RowEncoding::kSource) {
    GEMVEC_CHECK_OK(pack_embedding(config, raw.embedding, recipe, pool, at(layout.embedding)));
  }
  if (recipe.calibrated) {
    GEMVEC_CHECK_OK(calibrate(config, raw, type, recipe, kernels, pool, block, texts, [&](std::size_t layer) {
      report(layout.bytes + layout.bytes * layer / config.layers);
    }));
  }
  report(total);
  return {};
}

}  // namespace gemvec::model
