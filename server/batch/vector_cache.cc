#include "server/batch/vector_cache.h"

namespace gemvec::server {

const std::vector<float>* VectorCache::get(const TextKey& key) {
  const auto found = found_.find(key);
  if (found == found_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  return &found->second->values;
}

void VectorCache::put(const TextKey& key, const std::vector<float>& values) {
  if (off() || get(key) != nullptr) return;
  recent_.push_front({key, values});
  found_.emplace(key, recent_.begin());
  if (recent_.size() > limit_) {
    found_.erase(recent_.back().key);
    recent_.pop_back();
  }
}

}  // namespace gemvec::server
