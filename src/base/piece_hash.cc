#include "base/piece_hash.h"

#include <algorithm>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace gemvec::base {

std::uint64_t hash_pieces(std::span<const std::byte> bytes, ThreadPool* pool) {
  constexpr std::size_t kPiece = 4U << 20U;  // stands in files: docs/formats
  std::vector<std::uint64_t> hashes((bytes.size() + kPiece - 1) / kPiece);
  const auto hash_piece = [&](std::size_t i, unsigned) {
    const auto piece = bytes.subspan(i * kPiece, std::min(kPiece, bytes.size() - i * kPiece));
    hashes[i] = XXH3_64bits(piece.data(), piece.size());
  };
  if (pool != nullptr) {
    pool->run(hashes.size(), hash_piece);
  } else {
    for (std::size_t i = 0; i < hashes.size(); ++i) hash_piece(i, 0);
  }
  return XXH3_64bits(hashes.data(), hashes.size() * sizeof(std::uint64_t));
}

}  // namespace gemvec::base
