// The tokenizer: its tables mapped from the cache when they are there, else built from tokenizer.json or a
// GGUF file and left there for the next process.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "gemvec/tokenizer.h"

namespace gemvec::engine {

struct CachedTokenizer {
  Tokenizer tokenizer;
  std::filesystem::path file;  // empty: the tables are in private memory
  bool from_cache = false;     // false: this load read `path`
  std::vector<std::string> notes;
};

// cache_dir: empty for no cache. May be called beside another thread that loads weights.
// Errors: those of source::read_tokenizer(). A cache that cannot be read or written is a note, not an error.
Result<CachedTokenizer> load_tokenizer(const std::filesystem::path& path,
                                       const std::filesystem::path& cache_dir);

}  // namespace gemvec::engine
