// What an Embedder holds. Private to the engine.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "base/thread_pool.h"
#include "engine/weight_cache.h"
#include "gemvec/embedder.h"
#include "kernels/table.h"
#include "model/forward.h"
#include "model/weights.h"
#include "model/workspace.h"
#include "source/model_source.h"

namespace gemvec {

struct Embedder::Impl {
  static Result<std::unique_ptr<Impl>> load(const LoadOptions& options);
  Status load_parts(const LoadOptions& options);

  // The file that the embedding table is mapped from, of `block` or `source`; null: private memory.
  [[nodiscard]] const base::MappedFile* table_file() const;

  // One forward pass at a time: callers take turns on the threads and the workspace. But what between_layers
  // embeds goes first, in a workspace of its own; its own between_layers is not called.
  Status run_batch(const model::Batch& batch, const model::ForwardOutput& output,
                   const std::function<void()>& between_layers);
  // bf16 x bf16 products where weights are bf16, and in attention.
  [[nodiscard]] bool bf16_products() const;
  model::ForwardContext context();
  // Of most linear layers: "fp32", "bf16" or "int8".
  [[nodiscard]] std::string_view arithmetic() const;

  DType dtype = DType::kQ8;
  Compute compute = Compute::kNative;
  std::filesystem::path cache_dir;  // empty: none
  std::uint64_t max_memory = 0;     // bytes of working memory; 0: no limit
  source::ModelSource source;
  engine::PackedBlock block;
  model::RopeTables rope;
  model::Weights weights;  // views into source, block and rope
  const kernels::KernelTable* kernels = nullptr;
  std::unique_ptr<Tokenizer> tokenizer;
  std::vector<std::string> tokenizer_notes;
  PromptSet prompts;
  WeightsCheck check = WeightsCheck::kNotRun;
  double check_max_abs_diff = 0;
  DType check_weights = DType::kFp32;  // or kBf16: the release's weights that it compared with

  // Guards what follows. Recursive: between_layers comes back on the thread that has it.
  std::recursive_mutex mutex;
  std::unique_ptr<base::ThreadPool> pool;
  model::Workspace workspace;
  model::Workspace inner_workspace;  // of what goes first
  bool inside = false;               // between the layers of a micro-batch
};

}  // namespace gemvec
