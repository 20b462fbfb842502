#include "convert/tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "base/try.h"
#include "model/numbers.h"
#include "model/weights.h"

namespace gemvec::convert {

namespace {

// Bytes that are encoded before they are written: long enough to keep the threads and the disk busy.
constexpr std::size_t kChunkBytes = 4 << 20;
// Rows that a thread takes at a time: some ten microseconds' work.
constexpr std::size_t kTaskRows = 16;
constexpr float kLargestFp32 = std::numeric_limits<float>::max();
constexpr float kLargestBf16 = 0x1.FEp127F;

bool fits(const float* x, std::size_t count, float limit) {
  unsigned beyond = 0;
  for (std::size_t i = 0; i < count; ++i) beyond |= !(std::fabs(x[i]) <= limit);  // true for a NaN
  return beyond == 0;
}

// Names the number that does not fit.
Error does_not_fit(const SourceTensor& tensor, const source::ModelSource& source, std::size_t row,
                   float limit) {
  const model::RawTensor& raw = *tensor.raw;
  std::vector<float> x(raw.cols);
  model::read_row(raw, row, false, x.data());
  const auto bad =
      std::find_if(x.begin(), x.end(), [&](float value) { return !(std::fabs(value) <= limit); });
  const std::string expected = limit == kLargestFp32
                                   ? std::string("finite numbers")
                                   : fmt::format("numbers of at most {}, the largest to be written", limit);
  return {ErrorCode::kBadFormat,
          fmt::format("{}: tensor {}: expected {}, found {} in row {}, column {}.", source.path.string(),
                      tensor.name, expected, *bad, row, bad - x.begin())};
}

// Rows first .. end to out.
Status encode_rows(const SourceTensor& tensor, const RowEncoding& encoding, std::size_t first,
                   std::size_t end, Job& job, std::byte* out) {
  const model::RawTensor& raw = *tensor.raw;
  std::vector<float> scratch(job.pool().size() * raw.cols);
  std::atomic<std::size_t> bad_row{raw.rows};
  job.pool().run((end - first + kTaskRows - 1) / kTaskRows, [&](std::size_t task, unsigned thread) {
    float* x = scratch.data() + thread * raw.cols;
    const std::size_t task_end = std::min(end, first + (task + 1) * kTaskRows);
    for (std::size_t row = first + task * kTaskRows; row < task_end; ++row) {
      model::read_row(raw, row, false, x);
      if (fits(x, raw.cols, encoding.limit)) {
        encoding.encode(row, x, out + (row - first) * encoding.bytes);
        continue;
      }
      std::size_t known = bad_row.load();
      while (row < known && !bad_row.compare_exchange_weak(known, row)) {
      }
    }
  });
  job.done_reading((end - first) * raw.cols * sizeof(float));
  if (bad_row != raw.rows) return does_not_fit(tensor, job.source(), bad_row, encoding.limit);
  return {};
}

}  // namespace

std::vector<SourceTensor> list_tensors(const source::ModelSource& source) {
  const model::RawWeights& weights = source.weights;
  std::vector<SourceTensor> tensors;
  tensors.push_back({"embed_tokens.weight", "token_embd.weight", Role::kTable, &weights.embedding});
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    for (const LayerTensor& part : kLayerTensors) {
      tensors.push_back({fmt::format("layers.{}.{}.weight", i, part.name),
                         fmt::format("blk.{}.{}.weight", i, part.gguf_name), part.role,
                         &(weights.layers[i].*part.tensor)});
    }
  }
  tensors.push_back({"norm.weight", "output_norm.weight", Role::kNorm, &weights.final_norm});
  if (source.config.dense_width != 0) {
    tensors.push_back({"2_Dense.linear.weight", "dense_2.weight", Role::kDense2, &weights.dense2});
    tensors.push_back({"3_Dense.linear.weight", "dense_3.weight", Role::kDense3, &weights.dense3});
  }
  return tensors;
}

Result<std::vector<std::byte>> encode_tensor(const SourceTensor& tensor, const RowEncoding& encoding,
                                             Job& job) {
  std::vector<std::byte> out(tensor.raw->rows * encoding.bytes);
  GEMVEC_CHECK_OK(encode_rows(tensor, encoding, 0, tensor.raw->rows, job, out.data()));
  return out;
}

Status write_tensor(const SourceTensor& tensor, const RowEncoding& encoding, Job& job, OutputFile& out) {
  const model::RawTensor& raw = *tensor.raw;
  const std::size_t chunk_rows =
      std::clamp<std::size_t>(kChunkBytes / (raw.cols * sizeof(float)), 1, raw.rows);
  std::vector<std::byte> chunk(chunk_rows * encoding.bytes);
  for (std::size_t first = 0; first < raw.rows; first += chunk_rows) {
    const std::size_t end = std::min(raw.rows, first + chunk_rows);
    GEMVEC_CHECK_OK(encode_rows(tensor, encoding, first, end, job, chunk.data()));
    const auto bytes = std::span(chunk).first((end - first) * encoding.bytes);
    GEMVEC_CHECK_OK(out.write(bytes));
    GEMVEC_CHECK_OK(job.advance(bytes.size()));
  }
  return {};
}

RowEncoding fp32_rows(std::size_t cols) {
  const std::size_t bytes = cols * sizeof(float);
  return {.bytes = bytes,
          .limit = kLargestFp32,
          .encode = [bytes](std::size_t, const float* x, std::byte* out) { std::memcpy(out, x, bytes); }};
}

RowEncoding bf16_rows(std::size_t cols) {
  return {.bytes = cols * sizeof(std::uint16_t),
          .limit = kLargestBf16,
          .encode = [cols](std::size_t, const float* x, std::byte* out) {
            for (std::size_t i = 0; i < cols; ++i) {
              const std::uint16_t value = model::to_bf16(x[i]);
              std::memcpy(out + i * sizeof(value), &value, sizeof(value));
            }
          }};
}

Result<std::vector<float>> read_norm(const SourceTensor& tensor, const source::ModelSource& source,
                                     NormForm form) {
  const model::RawTensor& raw = *tensor.raw;
  std::vector<float> x(raw.cols);
  model::read_row(raw, 0, false, x.data());
  if (!fits(x.data(), x.size(), kLargestFp32)) return does_not_fit(tensor, source, 0, kLargestFp32);
  const float added = (form == NormForm::kOnePlusWeight ? 1.0F : 0.0F) - (raw.one_added ? 1.0F : 0.0F);
  if (added == 0) return x;  // adding it would make -0 to 0
  for (float& value : x) value += added;
  return x;
}

}  // namespace gemvec::convert
