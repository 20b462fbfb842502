// The embedding table: where its rows lie, and a row of it as the model reads it.
#pragma once

#include <cstddef>

#include "gemvec/result.h"
#include "model/weights.h"

namespace gemvec::model {

// Where the rows of a packed table lie, one after the other in the order of ids: those of ids that occur
// often may have more bits than the others.
class EmbeddingRows {
 public:
  // REQUIRES: recipe.embedding is not kSource.
  EmbeddingRows(const Recipe& recipe, const Config& config);

  [[nodiscard]] RowEncoding encoding(std::size_t id) const;
  [[nodiscard]] std::size_t offset(std::size_t id) const;  // of its row, in bytes from the table's beginning
  [[nodiscard]] std::size_t bytes() const { return offset(vocab_); }

 private:
  [[nodiscard]] std::size_t frequent_below(std::size_t id) const;

  RowEncoding encoding_, frequent_;
  std::size_t vocab_, row_bytes_, frequent_row_bytes_;
};

// Row `id` of the table as fp32, out[width], from wherever it lies. A text needs rows all over the table,
// once each: through a map the kernel would count 16 pages for each of them as this process's memory, the
// whole table after some ten thousand tokens. So they are copied out of the file if there is one, but for
// RawType::kRows, whose readers know the map only. `scratch` is [width] and loses what it holds. Errors:
// kBadFormat (a row's check), kIo (the file is shorter now).
Status read_embedding(const Weights& weights, std::size_t id, float* scratch, float* out);

}  // namespace gemvec::model
