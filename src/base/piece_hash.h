// A checksum of large memory that several threads can share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/thread_pool.h"

namespace gemvec::base {

// XXH3-64 of the XXH3-64 hashes of the bytes' 4 MiB pieces. `pool` may be null: this thread alone.
// The same number with any number of threads.
std::uint64_t hash_pieces(std::span<const std::byte> bytes, ThreadPool* pool);

}  // namespace gemvec::base
