#include "model/columns.h"

#include <cassert>

#include "kernels/gemm_int8/gemm_int8.h"
#include "model/numbers.h"
#include "model/quantize.h"

namespace gemvec::model {

namespace {

using kernels::kPanel;

void place_f32(const float* row, std::size_t k, std::size_t column, std::byte* panel) {
  float* to = reinterpret_cast<float*>(panel) + column;
  for (std::size_t p = 0; p < k; ++p) to[p * kPanel] = row[p];
}

void place_bf16(const float* row, std::size_t k, std::size_t column, std::byte* panel) {
  std::uint16_t* to = reinterpret_cast<std::uint16_t*>(panel) + column * 2;
  for (std::size_t p = 0; p < k; p += 2) {
    to[p * kPanel] = to_bf16(row[p]);
    to[p * kPanel + 1] = to_bf16(row[p + 1]);
  }
}

void place_scales(const Column& from, std::size_t groups, std::size_t column, std::byte* part) {
  float* to = reinterpret_cast<float*>(part) + column;
  for (std::size_t g = 0; g < groups; ++g) to[g * kPanel] = from.scales[g];
}

void place_int8(const Column& from, std::size_t k, std::size_t column, std::byte* panel) {
  for (std::size_t p = 0; p < k; ++p) {  // 128 added: the sign bit turned
    panel[(p / 4 * kPanel + column) * 4 + p % 4] = static_cast<std::byte>(from.codes[p] ^ 0x80U);
  }
  place_scales(from, k / group_of(k), column, panel + kernels::panel_codes_int8(k));
}

void place_int6(const Column& from, std::size_t k, std::size_t column, std::byte* panel) {
  std::byte* high = panel + kernels::panel_low_int6(k);
  for (std::size_t p = 0; p < k; p += 16) {
    for (std::size_t i = 0; i < 4; ++i) {
      const std::uint8_t* code = from.codes.data() + p + i;
      panel[(p / 8 * kPanel + column) * 4 + i] = static_cast<std::byte>((code[0] & 15) | (code[4] & 15) << 4);
      panel[((p / 8 + 1) * kPanel + column) * 4 + i] =
          static_cast<std::byte>((code[8] & 15) | (code[12] & 15) << 4);
      high[(p / 16 * kPanel + column) * 4 + i] =
          static_cast<std::byte>(code[0] >> 4 | code[4] >> 4 << 2 | code[8] >> 4 << 4 | code[12] >> 4 << 6);
    }
  }
  place_scales(from, k / group_of(k), column, panel + kernels::panel_codes_int6(k));
}

void place_int4(const Column& from, std::size_t k, std::size_t column, std::byte* panel) {
  for (std::size_t p = 0; p < k; p += 8) {
    for (std::size_t i = 0; i < 4; ++i) {
      panel[(p / 8 * kPanel + column) * 4 + i] =
          static_cast<std::byte>(from.codes[p + i] | from.codes[p + 4 + i] << 4U);
    }
  }
  std::byte* steps = panel + kernels::panel_codes_int4(k);
  for (std::size_t p = 0; p < k / kernels::kStepGroup; ++p) {
    steps[p * kPanel + column] = static_cast<std::byte>(from.steps[p]);
  }
  place_scales(from, k / group_of(k), column, steps + kernels::panel_steps(k));
}

}  // namespace

void RawRows::read(std::size_t row, bool round_to_bf16, float* out) const {
  if (in_turn) {
    const std::size_t panel = row / kPanel;
    return read_row(*parts[panel % parts.size()], panel / parts.size() * kPanel + row % kPanel, round_to_bf16,
                    out);
  }
  for (const RawTensor* part : parts) {
    if (row < part->rows) return read_row(*part, row, round_to_bf16, out);
    row -= part->rows;
  }
  assert(false);
}

RawRows LinearSources::rows(LinearPart part) const {
  switch (part) {
    case LinearPart::kQueryKey:
      return {query_key};
    case LinearPart::kValue:
      return {value};
    case LinearPart::kOutput:
      return {output};
    case LinearPart::kGateUp:
      return {gate_up, true};
    case LinearPart::kDown:
      break;
  }
  return {down};
}

void quantize_column(Encoding encoding, bool per_channel, std::size_t k, Column& column) {
  const std::size_t group = group_of(k);
  float* const w = column.numbers.data();
  float* const scales = column.scales.data();
  if (encoding == Encoding::kInt8) {
    auto* codes = reinterpret_cast<std::int8_t*>(column.codes.data());
    per_channel ? quantize_channel_int8(w, k, group, codes, scales)
                : quantize_int8(w, k, group, codes, scales);
  } else if (encoding == Encoding::kInt6) {
    quantize_int6(w, k, group, column.codes.data(), scales);
  } else if (encoding == Encoding::kInt4) {
    per_channel ? quantize_channel_int4(w, k, group, column.codes.data(), column.steps.data(), scales)
                : quantize_int4(w, k, group, column.codes.data(), column.steps.data(), scales);
  }
}

void place_column(Encoding encoding, const Column& from, std::size_t k, std::size_t index, std::byte* panel) {
  switch (encoding) {
    case Encoding::kF32:
      return place_f32(from.numbers.data(), k, index, panel);
    case Encoding::kBf16:
      return place_bf16(from.numbers.data(), k, index, panel);
    case Encoding::kInt8:
      return place_int8(from, k, index, panel);
    case Encoding::kInt6:
      return place_int6(from, k, index, panel);
    case Encoding::kInt4:
      return place_int4(from, k, index, panel);
  }
}

}  // namespace gemvec::model
