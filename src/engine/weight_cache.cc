#include "engine/weight_cache.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "base/try.h"
#include "kernels/gemm/gemm.h"
#include "source/bundle_model.h"

namespace gemvec::engine {

namespace {

// Everything that the packed bytes depend on.
Result<std::string> key_of(const source::ModelSource& source, model::WeightType type,
                           const kernels::KernelTable& kernels) {
  const model::Config& c = source.config;
  std::string identity = fmt::format(
      "{} {} {} {} {} {} {} {} {} {} {} {} {} {} {}", source::kPackedWeightsVersion, name_of(type),
      kernels::kPanel, c.layers, c.width, c.heads, c.head_dim, c.ffn, c.dense_width, c.vocab, c.max_tokens,
      c.query_scale, c.rope_theta_full, c.rope_theta_sliding, c.eps);
  // What is measured while packing has the last bits of the instruction set that measured it.
  if (model::Recipe::of(type).calibrated) {
    identity += fmt::format(" {}", cpu::name_of(measuring_kernels(kernels).isa));
  }
  for (const auto& path : source.weight_files) {
    GEMVEC_TRY(file, source_identity(path));
    identity += "\n" + file;
  }
  return cache_key(identity);
}

}  // namespace

const kernels::KernelTable& measuring_kernels(const kernels::KernelTable& kernels) {
  return kernels.isa == cpu::Isa::kScalar ? kernels : kernels::kernel_table(cpu::Isa::kAvx2);
}

Status of_model(const source::ModelSource& source, Status packed) {
  if (packed.ok() || packed.error().code != ErrorCode::kBadFormat) return packed;
  return Error{ErrorCode::kBadFormat, fmt::format("{}: {}", source.path.string(), packed.error().message)};
}

Result<PackedBlock> PackedBlock::load(const source::ModelSource& source, model::WeightType type,
                                      const kernels::KernelTable& kernels, base::ThreadPool& pool,
                                      const WeightCacheOptions& options) {
  if (source.bundle != nullptr) return of_bundle(source, pool);
  const model::PackedLayout layout = model::PackedLayout::of(source.config, type);
  const std::uint64_t bytes = layout.bytes, verified_bytes = layout.verified_bytes;
  CacheRequest request;
  request.kind = CacheKind::kWeights;
  request.content_version = source::kPackedWeightsVersion;
  request.name = name_of(type);
  request.what = "Packed weights";
  request.content = [&]() -> Result<CacheContent> {
    return CacheContent{bytes, verified_bytes, [&](std::span<std::byte> payload) {
                          return of_model(source, model::pack_weights(source.config, source.weights, type,
                                                                      measuring_kernels(kernels), pool,
                                                                      payload, options.progress));
                        }};
  };
  request.accept = [&](std::span<const std::byte> payload, std::uint64_t verified) -> Status {
    if (payload.size() == bytes && verified == verified_bytes) return {};
    return Error{ErrorCode::kBadFormat, fmt::format("expected {} bytes of packed weights, {} verified, found "
                                                    "{}, {} verified.",
                                                    bytes, verified_bytes, payload.size(), verified)};
  };
  if (!options.cache_dir.empty()) {
    // Sources that are mapped but can no longer be looked at have no key, and so no file.
    if (auto key = key_of(source, type, kernels); key.ok()) {
      request.dir = options.cache_dir / "packed";
      request.key = std::move(key).value();
    }
  }
  GEMVEC_TRY(file, CacheFile::load(request, &pool));
  PackedBlock block;
  block.file_ = std::move(file);
  return block;
}

Result<PackedBlock> PackedBlock::of_bundle(const source::ModelSource& source, base::ThreadPool& pool) {
  GEMVEC_TRY(bytes, source::bundle_weights(source, pool));
  PackedBlock block;
  block.bundle_ = bytes;
  block.bundle_file_ = &source.bundle->file();
  block.path_ = source.path;
  return block;
}

}  // namespace gemvec::engine
