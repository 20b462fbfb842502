#include "engine/accuracy.h"

#include <cmath>

#include "engine/reference.h"

namespace gemvec::engine {

namespace {

// Files of fp16 numbers, and GGUF and ONNX files of bf16, whose norms stay fp32, are neither of the release's
// two sets: the one is rounded less, the other in part.
bool is_rounded_in_part(const source::ModelSource& source) {
  const bool is_folder = source.format == source::Format::kSafetensors;
  if (source.bundle != nullptr || source.numbers == name_of(DType::kFp32)) return false;
  return !is_folder || source.numbers != name_of(DType::kBf16);
}

}  // namespace

Accuracy Accuracy::of(const Embedder::Impl& impl) {
  constexpr Accuracy kNothing = {0, -1, -1};
  if (impl.source.quantized) return kNothing;  // whoever made the file has rounded, by as much as they liked
  switch (impl.dtype) {
    case DType::kQ8:
      return {0, 0.9995, 0.999};
    case DType::kQ4:
      return {0, 0.99, 0.98};
    case DType::kMixed:  // nothing can be promised for weights that were not trained for it
      return kNothing;
    case DType::kFp32:
    case DType::kBf16:
      break;
  }
  if (impl.bf16_products() || is_rounded_in_part(impl.source)) return {0, kBf16Cosine, kBf16Cosine};
  return {kExactTolerance, 1, 1};
}

double Accuracy::similarity_tolerance() const {
  // Unit vectors with cosine c are sqrt(2 (1 - c)) apart; with 768 elements of e each, sqrt(768) e.
  const double distance =
      max_abs_diff > 0 ? std::sqrt(768.0) * max_abs_diff : std::sqrt(2 * (1 - cosine_short));
  return 2 * distance;
}

}  // namespace gemvec::engine
