// What each kind of arithmetic promises against the exact reference of its weights: docs/numerics.md.
#pragma once

#include <cstddef>

#include "engine/embedder_impl.h"

namespace gemvec::engine {

// Tokens up to which the first of two cosines is promised; beyond, the second.
inline constexpr std::size_t kShortTokens = 512;

struct Accuracy {
  double max_abs_diff = 0;  // of one element of a unit vector; 0: cosines are promised instead
  double cosine_short = 1, cosine_long = 1;

  static Accuracy of(const Embedder::Impl& impl);

  // Whether the release's vectors are promised at all.
  [[nodiscard]] bool promises() const { return max_abs_diff > 0 || cosine_long > 0; }

  [[nodiscard]] double cosine(std::size_t tokens) const {
    return tokens <= kShortTokens ? cosine_short : cosine_long;
  }
  // How far the similarity of two short texts can move: by both vectors' distances to the exact ones.
  [[nodiscard]] double similarity_tolerance() const;
};

}  // namespace gemvec::engine
