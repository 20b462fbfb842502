#include "source/onnx_rows.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "model/numbers.h"

namespace gemvec::source {

namespace {

class FloatRows final : public model::RowReader {
 public:
  FloatRows(const OnnxFloats& floats, OnnxMemory memory) : floats_(floats), memory_(std::move(memory)) {}

  void read(std::size_t row, float* out) const override {
    const std::size_t cols = memory_.cols;
    if (memory_.transposed) {
      for (std::size_t r = 0; r < memory_.rows; ++r) out[r] = floats_.at(r * cols + row);
    } else {
      for (std::size_t c = 0; c < cols; ++c) out[c] = floats_.at(row * cols + c);
    }
  }

 private:
  OnnxFloats floats_;
  OnnxMemory memory_;
};

class AffineRows final : public model::RowReader {
 public:
  AffineRows(const OnnxAffine& affine, OnnxMemory memory) : affine_(affine), memory_(std::move(memory)) {}

  void read(std::size_t row, float* out) const override {
    if (memory_.transposed) {
      for (std::size_t r = 0; r < memory_.rows; ++r) out[r] = affine_.value(r, row);
    } else {
      for (std::size_t c = 0; c < memory_.cols; ++c) out[c] = affine_.value(row, c);
    }
  }

 private:
  OnnxAffine affine_;
  OnnxMemory memory_;
};

}  // namespace

float OnnxFloats::at(std::size_t i) const {
  if (type == model::RawType::kF32) {
    float value = 0;
    std::memcpy(&value, data + i * sizeof(value), sizeof(value));
    return value;
  }
  std::uint16_t half = 0;
  std::memcpy(&half, data + i * sizeof(half), sizeof(half));
  return type == model::RawType::kBf16 ? model::from_bf16(half) : model::from_f16(half);
}

std::unique_ptr<const model::RowReader> make_float_rows(const OnnxFloats& floats, OnnxMemory memory) {
  return std::make_unique<FloatRows>(floats, std::move(memory));
}

std::unique_ptr<const model::RowReader> make_affine_rows(const OnnxAffine& affine, OnnxMemory memory) {
  return std::make_unique<AffineRows>(affine, std::move(memory));
}

}  // namespace gemvec::source
