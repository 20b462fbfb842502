// Packed weights: mapped from a .gemvec file, or from the cache when they are there, else packed once and
// left there for the next process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "engine/cache_file.h"
#include "kernels/table.h"
#include "model/weights.h"
#include "source/model_source.h"

namespace gemvec::engine {

struct WeightCacheOptions {
  std::filesystem::path cache_dir;  // empty: no cache
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

// The kernels that packing measures a model's activations with, where these compute vectors. Codes of weights
// depend on the last bits, so all machines with AVX2 measure with AVX2's: they have the same weights.
const kernels::KernelTable& measuring_kernels(const kernels::KernelTable& kernels);

// What model::pack_weights() says of this model's numbers, with the model's path before it.
Status of_model(const source::ModelSource& source, Status packed);

class PackedBlock {
 public:
  // Errors: kIo (out of memory); kBadFormat (a damaged .gemvec file, weights that are no numbers). A cache
  // that cannot be read or written is a note, not an error.
  static Result<PackedBlock> load(const source::ModelSource& source, model::WeightType type,
                                  const kernels::KernelTable& kernels, base::ThreadPool& pool,
                                  const WeightCacheOptions& options);

  [[nodiscard]] std::span<const std::byte> bytes() const { return path_.empty() ? file_.bytes() : bundle_; }
  // The file that holds bytes(), unless they are private memory.
  [[nodiscard]] const base::MappedFile& mapped() const {
    return bundle_file_ ? *bundle_file_ : file_.mapped();
  }
  // Empty: private memory.
  [[nodiscard]] const std::filesystem::path& file() const { return path_.empty() ? file_.file() : path_; }
  [[nodiscard]] bool from_cache() const { return !path_.empty() || file_.from_cache(); }
  [[nodiscard]] const std::vector<std::string>& notes() const { return file_.notes(); }

 private:
  static Result<PackedBlock> of_bundle(const source::ModelSource& source, base::ThreadPool& pool);

  CacheFile file_;
  std::span<const std::byte> bundle_;              // of a .gemvec file, which the source keeps mapped
  const base::MappedFile* bundle_file_ = nullptr;  // that file
  std::filesystem::path path_;                     // its name
};

}  // namespace gemvec::engine
