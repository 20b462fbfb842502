#include "model/embedding.h"

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/try.h"
#include "kernels/gemm_int8/gemm_int8.h"
#include "model/numbers.h"
#include "model/quantize.h"

namespace gemvec::model {

namespace {

using kernels::kStepGroup;

// Bytes before the scale and the check.
std::size_t code_bytes(Encoding encoding, std::size_t width) {
  return encoding == Encoding::kInt8 ? width : width / 2 + width / kStepGroup;
}

// Bytes before the check, which it covers.
std::size_t checked_bytes(Encoding encoding, std::size_t width) {
  return encoding == Encoding::kBf16 ? width * sizeof(std::uint16_t)
                                     : code_bytes(encoding, width) + sizeof(float);
}

std::uint32_t check_of(const std::byte* row, std::size_t bytes) {
  return static_cast<std::uint32_t>(XXH3_64bits(row, bytes));
}

}  // namespace

std::size_t embedding_row_bytes(Encoding encoding, std::size_t width) {
  return checked_bytes(encoding, width) + sizeof(std::uint32_t);
}

namespace {

void pack_codes(Encoding encoding, const float* x, std::size_t width, bool one_step, std::byte* row) {
  const std::size_t codes = code_bytes(encoding, width);
  float scale;
  if (encoding == Encoding::kInt8) {
    scale = quantize_group_int8(x, width, reinterpret_cast<std::int8_t*>(row));
  } else {
    std::vector<std::uint8_t> halves(width);
    auto* steps = reinterpret_cast<std::uint8_t*>(row + width / 2);
    if (one_step) {
      std::vector<float> copy(x, x + width);
      quantize_channel_int4(copy.data(), width, width, halves.data(), steps, &scale);
    } else {
      scale = quantize_group_int4(x, width, halves.data(), steps);
    }
    for (std::size_t i = 0; i < width / 2; ++i) {
      row[i] = static_cast<std::byte>(halves[2 * i] | halves[2 * i + 1] << 4U);
    }
  }
  std::memcpy(row + codes, &scale, sizeof(scale));
}

void read_codes(Encoding encoding, const std::byte* row, std::size_t width, float* out) {
  float scale;
  std::memcpy(&scale, row + code_bytes(encoding, width), sizeof(scale));
  if (encoding == Encoding::kInt8) {
    for (std::size_t i = 0; i < width; ++i) {
      out[i] = static_cast<float>(static_cast<std::int8_t>(row[i])) * scale;
    }
    return;
  }
  const std::byte* steps = row + width / 2;
  for (std::size_t i = 0; i < width; ++i) {
    const int half = static_cast<int>(i % 2 == 0 ? row[i / 2] & std::byte{15} : row[i / 2] >> 4);
    const int step = static_cast<int>(steps[i / kStepGroup]);
    out[i] = static_cast<float>((half - (step >> 4)) * (step & 15)) * scale;
  }
}

}  // namespace

void pack_embedding_row(Encoding encoding, const float* x, std::size_t width, bool one_step, std::byte* row) {
  if (encoding == Encoding::kBf16) {
    for (std::size_t i = 0; i < width; ++i) {
      const std::uint16_t number = to_bf16(x[i]);
      std::memcpy(row + i * sizeof(number), &number, sizeof(number));
    }
  } else {
    pack_codes(encoding, x, width, one_step, row);
  }
  const std::size_t checked = checked_bytes(encoding, width);
  const std::uint32_t check = check_of(row, checked);
  std::memcpy(row + checked, &check, sizeof(check));
}

bool read_embedding_row(Encoding encoding, const std::byte* row, std::size_t width, float* out) {
  const std::size_t checked = checked_bytes(encoding, width);
  std::uint32_t check;
  std::memcpy(&check, row + checked, sizeof(check));
  if (check != check_of(row, checked)) return false;
  if (encoding != Encoding::kBf16) {
    read_codes(encoding, row, width, out);
    return true;
  }
  for (std::size_t i = 0; i < width; ++i) {
    std::uint16_t number;
    std::memcpy(&number, row + i * sizeof(number), sizeof(number));
    out[i] = from_bf16(number);
  }
  return true;
}

Status read_embedding(const Weights& weights, std::size_t id, float* scratch, float* out) {
  const std::size_t width = weights.config.width;
  const Recipe recipe = Recipe::of(weights.type);
  const bool packed = recipe.embedding != Encoding::kF32;
  RawTensor table = weights.source_embedding;
  if (!packed && (table.type == RawType::kRows || weights.embedding_file == nullptr)) {
    read_row(table, id, recipe.round_to_bf16, out);
    return {};
  }
  // At most width * sizeof(float): a packed row has 2 bytes a number and 4 more, or less.
  const std::size_t bytes = packed                        ? embedding_row_bytes(recipe.embedding, width)
                            : table.type == RawType::kF32 ? width * sizeof(float)
                                                          : width * sizeof(std::uint16_t);
  const std::byte* row = (packed ? weights.embedding : table.data) + id * bytes;
  if (weights.embedding_file != nullptr) {
    const std::span copy(reinterpret_cast<std::byte*>(scratch), bytes);
    const auto at = static_cast<std::size_t>(row - weights.embedding_file->bytes().data());
    GEMVEC_CHECK_OK(weights.embedding_file->read(at, copy));
    row = copy.data();
  }
  if (!packed) {
    table.data = row;
    read_row(table, 0, recipe.round_to_bf16, out);
  } else if (!read_embedding_row(recipe.embedding, row, width, out)) {
    return Error{ErrorCode::kBadFormat, "Packed weights: the checksum of row " + std::to_string(id) +
                                            " of the embedding table differs; the file is damaged."};
  }
  return {};
}

}  // namespace gemvec::model
