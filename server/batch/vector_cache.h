// Vectors of texts that came before, the most recently asked for. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "server/batch/queue.h"

namespace gemvec::server {

class VectorCache {
 public:
  explicit VectorCache(std::size_t vectors) : limit_(vectors) {}

  // Null if it is not there; valid until the next put().
  const std::vector<float>* get(const TextKey& key);
  void put(const TextKey& key, const std::vector<float>& values);
  [[nodiscard]] bool off() const { return limit_ == 0; }

 private:
  struct Entry {
    TextKey key;
    std::vector<float> values;
  };
  std::size_t limit_;
  std::list<Entry> recent_;  // the last asked for first
  std::unordered_map<TextKey, std::list<Entry>::iterator, TextKeyHash> found_;
};

}  // namespace gemvec::server
