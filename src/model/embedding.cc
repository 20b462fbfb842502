#include "model/embedding.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>

#include "base/try.h"
#include "model/embedding_row.h"

namespace gemvec::model {

namespace {

// Ids that occur often, as the release's tokenizer numbers them. The pieces that were merged first are those
// that its training texts had most of: the first 8192 of 262144. Single characters have a range of their own,
// the most frequent first; with so many of them the table takes what 200 MB leave it (docs/quantization.md).
constexpr std::size_t kFrequentShare = 32;
constexpr std::size_t kReleaseVocab = 262144, kFirstCharacter = 236743, kCharacters = 2048;

// Where the bytes at `row` of a table can be read: there, or copied out of the file. They are at most
// width * sizeof(float): a packed row has 2 bytes a number and 4 more, or less.
Result<const std::byte*> bytes_of_row(const Weights& weights, const std::byte* row, std::size_t bytes,
                                      float* scratch) {
  if (weights.embedding_file == nullptr) return row;
  const std::span copy(reinterpret_cast<std::byte*>(scratch), bytes);
  const auto at = static_cast<std::size_t>(row - weights.embedding_file->bytes().data());
  GEMVEC_CHECK_OK(weights.embedding_file->read(at, copy));
  return copy.data();
}

Status read_packed_row(const Weights& weights, const Recipe& recipe, std::size_t id, float* scratch,
                       float* out) {
  const EmbeddingRows rows(recipe, weights.config);
  const RowEncoding encoding = rows.encoding(id);
  const std::size_t width = weights.config.width;
  GEMVEC_TRY(row,
             bytes_of_row(weights, weights.embedding + rows.offset(id), row_bytes(encoding, width), scratch));
  if (unpack_row(encoding, row, width, out)) return {};
  return Error{ErrorCode::kBadFormat, "Packed weights: the checksum of row " + std::to_string(id) +
                                          " of the embedding table differs; the file is damaged."};
}

}  // namespace

EmbeddingRows::EmbeddingRows(const Recipe& recipe, const Config& config)
    : encoding_(recipe.embedding),
      frequent_(recipe.frequent),
      vocab_(config.vocab),
      row_bytes_(row_bytes(encoding_, config.width)),
      frequent_row_bytes_(row_bytes(frequent_, config.width)) {}

std::size_t EmbeddingRows::frequent_below(std::size_t id) const {
  const std::size_t first = std::min(id, vocab_ / kFrequentShare);
  if (vocab_ != kReleaseVocab) return first;
  return first + std::min(std::max(id, kFirstCharacter) - kFirstCharacter, kCharacters);
}

RowEncoding EmbeddingRows::encoding(std::size_t id) const {
  return frequent_below(id + 1) > frequent_below(id) ? frequent_ : encoding_;
}

std::size_t EmbeddingRows::offset(std::size_t id) const {
  const std::size_t frequent = frequent_below(id);
  return frequent * frequent_row_bytes_ + (id - frequent) * row_bytes_;
}

Status read_embedding(const Weights& weights, std::size_t id, float* scratch, float* out) {
  const Recipe recipe = Recipe::of(weights.type);
  if (recipe.embedding != RowEncoding::kSource) return read_packed_row(weights, recipe, id, scratch, out);
  RawTensor table = weights.source_embedding;
  if (table.type == RawType::kRows) {
    read_row(table, id, recipe.round_to_bf16, out);
    return {};
  }
  const std::size_t bytes =
      table.cols * (table.type == RawType::kF32 ? sizeof(float) : sizeof(std::uint16_t));
  GEMVEC_TRY(row, bytes_of_row(weights, table.data + id * bytes, bytes, scratch));
  table.data = row;
  read_row(table, 0, recipe.round_to_bf16, out);
  return {};
}

}  // namespace gemvec::model
