#include "engine/finish.h"

#include <fmt/format.h>

#include <cassert>
#include <cmath>

namespace gemvec {

Status finish_vector(std::span<const float> raw, bool normalize, std::span<float> out) {
  assert(out.size() <= raw.size());
  double squares = 0;
  for (std::size_t i = 0; i < out.size(); ++i) squares += static_cast<double>(raw[i]) * raw[i];
  // A vector that is not finite, or has no length, must not pass for an answer.
  if (!std::isfinite(squares) || squares <= 0) {
    return Error{ErrorCode::kBadFormat, fmt::format("The vector is {}; the weights are damaged.",
                                                    std::isfinite(squares) ? "zero" : "not finite")};
  }
  const double factor = normalize ? 1.0 / std::sqrt(squares) : 1.0;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(raw[i] * factor);
  return {};
}

namespace engine {

Status finish_vectors(std::span<const float> raw, std::span<const std::size_t> rows, bool normalize,
                      Embeddings& result) {
  const std::size_t width = raw.size() / rows.size();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Status finished = finish_vector(raw.subspan(i * width, width), normalize,
                                          std::span(result.values).subspan(rows[i] * result.dim, result.dim));
    if (!finished.ok()) {
      return Error{finished.error().code, fmt::format("Text {}: {}", rows[i], finished.error().message)};
    }
  }
  return {};
}

}  // namespace engine

}  // namespace gemvec
