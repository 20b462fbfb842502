// Embedder: loading, and texts in micro-batches through the model.
#include "gemvec/embedder.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <mutex>
#include <numeric>

#include "base/thread_pool.h"
#include "base/try.h"
#include "engine/embedder_impl.h"
#include "engine/finish.h"
#include "engine/micro_batches.h"
#include "engine/self_check.h"
#include "engine/tokenizer_cache.h"
#include "source/bundle_model.h"

namespace gemvec {

namespace {

Status check_options(const EmbedOptions& options, const model::Config& config) {
  if (std::find(kTrainedDims.begin(), kTrainedDims.end(), options.dim) == kTrainedDims.end()) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("dim {}: expected one of {}.", options.dim, fmt::join(kTrainedDims, ", "))};
  }
  if (options.max_tokens < 2 || options.max_tokens > config.max_tokens) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("max_tokens {}: expected 2 to {}, BOS and EOS included.", options.max_tokens,
                             config.max_tokens)};
  }
  return {};
}

model::WeightType type_of(DType dtype) {
  switch (dtype) {
    case DType::kFp32:
      return model::WeightType::kF32;
    case DType::kBf16:
      return model::WeightType::kBf16;
    case DType::kQ8:
      return model::WeightType::kQ8;
    case DType::kQ4:
      return model::WeightType::kQ4;
    case DType::kMixed:
      break;
  }
  return model::WeightType::kMixed;
}

// The dtype of the weights that will be computed with.
Result<DType> choose_dtype(const LoadOptions& options, const source::ModelSource& source) {
  DType chosen = options.exact ? DType::kFp32 : options.dtype.value_or(DType::kQ8);
  if (source.bundle != nullptr) {
    GEMVEC_TRY(own, parse_dtype(source.numbers));
    if (options.exact || (options.dtype && *options.dtype != own)) {
      return Error{
          ErrorCode::kInvalidArgument,
          fmt::format("{}: holds {} weights and no others; {} needs the model that it was made from.",
                      source.path.string(), source.numbers,
                      options.exact ? "exact" : fmt::format("dtype {}", name_of(*options.dtype)))};
    }
    chosen = own;
  }
  if (options.compute == Compute::kFp32 && chosen != DType::kFp32 && chosen != DType::kBf16) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("compute fp32: dtype {} is computed in int8; expected dtype fp32 or bf16.",
                             name_of(chosen))};
  }
  return chosen;
}

Result<engine::CachedTokenizer> tokenizer_of(const source::ModelSource& source,
                                             const std::filesystem::path& cache_dir) {
  if (source.bundle == nullptr) return engine::load_tokenizer(source.tokenizer, cache_dir);
  GEMVEC_TRY(tokenizer, source::bundle_tokenizer(source));
  return engine::CachedTokenizer{std::move(tokenizer), source.path, true, {}};
}

}  // namespace

Result<Tokenizer> load_tokenizer(const std::filesystem::path& model, const std::filesystem::path& cache_dir) {
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(model, ignored);
  if (is_folder && std::filesystem::exists(model / "tokenizer.json", ignored)) {
    GEMVEC_TRY(loaded, engine::load_tokenizer(model / "tokenizer.json", cache_dir));
    return std::move(loaded.tokenizer);
  }
  GEMVEC_TRY(source, source::open_model(model, {.allow_headless = true}));
  GEMVEC_TRY(loaded, tokenizer_of(source, cache_dir));
  return std::move(loaded.tokenizer);
}

Result<Embedder> Embedder::load(const LoadOptions& options) {
  GEMVEC_TRY(impl, Impl::load(options));
  Embedder embedder(std::move(impl));
  if (options.self_check) GEMVEC_CHECK_OK(engine::self_check(embedder, *embedder.impl_));
  return embedder;
}

Result<std::unique_ptr<Embedder::Impl>> Embedder::Impl::load(const LoadOptions& options) {
  GEMVEC_TRY(isa, cpu::select_isa());
  auto impl = std::make_unique<Impl>();
  impl->kernels = &kernels::kernel_table(isa);
  impl->compute = options.compute;
  impl->max_memory = options.max_memory;
  impl->pool =
      std::make_unique<base::ThreadPool>(options.threads == 0 ? base::usable_cores() : options.threads);

  GEMVEC_TRY(source, source::open_model(options.model, {.dtype = name_of(options.dtype.value_or(DType::kQ8)),
                                                        .allow_headless = options.allow_headless}));
  impl->source = std::move(source);
  GEMVEC_TRY(dtype, choose_dtype(options, impl->source));
  impl->dtype = dtype;
  GEMVEC_TRY(prompts, PromptSet::from_model(options.model));
  impl->prompts = std::move(prompts);
  GEMVEC_CHECK_OK(impl->load_parts(options));
  if (impl->tokenizer->vocab_size() > impl->source.config.vocab) {
    return Error{ErrorCode::kBadFormat,
                 fmt::format("{}: has {} tokens, but the embedding table has {} rows.",
                             impl->source.tokenizer.string(), impl->tokenizer->vocab_size(),
                             impl->source.config.vocab)};
  }
  return impl;
}

// The weights and the tokenizer. The first time, the latter takes as long to read as the former take to pack:
// side by side.
Status Embedder::Impl::load_parts(const LoadOptions& options) {
  engine::WeightCacheOptions cache;
  if (options.use_cache) cache_dir = options.cache_dir.empty() ? default_cache_dir() : options.cache_dir;
  cache.cache_dir = cache_dir;
  if (options.progress) {
    cache.progress = [&](std::uint64_t done, std::uint64_t total) {
      options.progress({.stage = "packing weights", .done = done, .total = total});
    };
  }
  auto tokenizer_loading = std::async(std::launch::async, [&] { return tokenizer_of(source, cache_dir); });

  const model::WeightType type = source.bundle == nullptr ? type_of(dtype) : source.packed_type;
  GEMVEC_TRY(loaded_block, engine::PackedBlock::load(source, type, *kernels, *pool, cache));
  block = std::move(loaded_block);
  GEMVEC_TRY(tables, model::RopeTables::create(source.config, *pool));
  rope = std::move(tables);
  weights = model::view_weights(source.config, type, source.weights.embedding, rope, block.bytes());
  weights.embedding_file = table_file();

  GEMVEC_TRY(loaded, tokenizer_loading.get());
  tokenizer = std::make_unique<Tokenizer>(std::move(loaded.tokenizer));
  tokenizer_notes = std::move(loaded.notes);
  return {};
}

const base::MappedFile* Embedder::Impl::table_file() const {
  const bool packed = model::Recipe::of(weights.type).embedding != model::RowEncoding::kSource;
  const std::byte* table = packed ? weights.embedding : weights.source_embedding.data;
  if (block.mapped().contains(table)) return &block.mapped();
  const auto file = std::find_if(source.files.begin(), source.files.end(),
                                 [&](const base::MappedFile& f) { return f.contains(table); });
  return file == source.files.end() ? nullptr : &*file;
}

bool Embedder::Impl::bf16_products() const {
  return dtype != DType::kFp32 && compute == Compute::kNative && kernels->gemm->bf16 != nullptr;
}

std::string_view Embedder::Impl::arithmetic() const {
  if (dtype != DType::kFp32 && dtype != DType::kBf16) return "int8";
  return bf16_products() ? "bf16" : "fp32";
}

model::ForwardContext Embedder::Impl::context() {
  model::ForwardContext context;
  context.weights = &weights;
  context.kernels = kernels;
  context.pool = pool.get();
  context.workspace = &workspace;
  context.bf16_products = bf16_products();
  return context;
}

Status Embedder::Impl::run_batch(const model::Batch& batch, const model::ForwardOutput& output,
                                 const std::function<void()>& between_layers) {
  const std::scoped_lock lock(mutex);
  model::ForwardContext forward = context();
  if (inside) {
    forward.workspace = &inner_workspace;
    return model::forward(forward, batch, output);
  }
  const std::function<void()> pause = [&] {
    inside = true;
    between_layers();
    inside = false;
  };
  if (between_layers) forward.between_layers = &pause;
  return model::forward(forward, batch, output);
}

namespace {

using engine::BatchItem;

// Texts to ids, on all threads. The error of the first text that has one is the call's.
Result<std::vector<Encoding>> tokenize_all(Embedder::Impl& impl, std::span<const std::string_view> texts,
                                           const EmbedOptions& options) {
  TokenizeOptions tokenize;
  tokenize.max_tokens = options.max_tokens;
  tokenize.truncate = options.truncate;
  tokenize.control_text = options.control_text;
  std::vector<Encoding> encodings(texts.size());
  std::vector<Error> errors(texts.size());
  std::vector<char> failed(texts.size(), 0);
  {
    const std::scoped_lock lock(impl.mutex);
    impl.pool->run(texts.size(), [&](std::size_t i, unsigned) {
      std::string joined;
      joined.reserve(options.prefix.size() + texts[i].size());
      joined.append(options.prefix).append(texts[i]);
      auto encoding = impl.tokenizer->encode(joined, tokenize);
      if (encoding.ok()) {
        encodings[i] = std::move(encoding).value();
      } else {
        errors[i] = std::move(encoding).error();
        failed[i] = 1;
      }
    });
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (failed[i] != 0) return Error{errors[i].code, fmt::format("Text {}: {}", i, errors[i].message)};
  }
  return encodings;
}

std::vector<BatchItem> items_of(const std::vector<Encoding>& encodings) {
  std::vector<BatchItem> items(encodings.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Encoding& e = encodings[i];
    items[i].ids = e.ids;
    items[i].info = {.tokens = static_cast<std::uint32_t>(e.ids.size()),
                     .total_tokens = static_cast<std::uint32_t>(e.total_tokens),
                     .invalid_sequences = static_cast<std::uint32_t>(e.invalid_sequences),
                     .truncated = e.truncated};
  }
  return items;
}

Result<std::vector<BatchItem>> items_of(const model::Config& config,
                                        std::span<const std::span<const std::int32_t>> ids) {
  std::vector<BatchItem> items(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i].empty() || ids[i].size() > config.max_tokens) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("Text {}: {} token ids, expected 1 to {}.", i,
                                                            ids[i].size(), config.max_tokens)};
    }
    for (const std::int32_t id : ids[i]) {
      if (id < 0 || static_cast<std::size_t>(id) >= config.vocab) {
        return Error{ErrorCode::kInvalidArgument,
                     fmt::format("Text {}: token id {}, expected 0 to {}.", i, id, config.vocab - 1)};
      }
    }
    const auto count = static_cast<std::uint32_t>(ids[i].size());
    items[i] = {ids[i], {.tokens = count, .total_tokens = count, .invalid_sequences = 0, .truncated = false}};
  }
  return items;
}

engine::BatchLimits batch_limits(Embedder::Impl& impl) {
  const model::ForwardContext context = impl.context();
  return {impl.max_memory, [context](std::size_t tokens) { return model::forward_bytes(context, tokens); }};
}

// Room for one vector per item, and what is known of each before it is computed.
Embeddings room_for(const std::vector<BatchItem>& items, std::size_t dim) {
  Embeddings result;
  result.count = items.size();
  result.dim = dim;
  result.values.resize(result.count * result.dim);
  result.texts.reserve(items.size());
  for (const BatchItem& item : items) result.texts.push_back(item.info);
  return result;
}

// for_batches() that tells options.progress what is done.
Status run_batches(Embedder::Impl& impl, const std::vector<BatchItem>& items, const EmbedOptions& options,
                   const std::function<Status(const engine::MicroBatch&)>& run) {
  std::size_t done = 0;
  return engine::for_batches(items, batch_limits(impl), options.cancelled,
                             [&](const engine::MicroBatch& batch) -> Status {
                               GEMVEC_CHECK_OK(run(batch));
                               done += batch.items.size();
                               if (options.progress) options.progress(done, items.size());
                               return {};
                             });
}

Result<Embeddings> embed_items(Embedder::Impl& impl, const std::vector<BatchItem>& items,
                               const EmbedOptions& options) {
  const std::size_t width = impl.source.config.width;
  Embeddings result = room_for(items, std::min<std::size_t>(options.dim, width));
  std::vector<float> rows;
  GEMVEC_CHECK_OK(run_batches(impl, items, options, [&](const engine::MicroBatch& batch) -> Status {
    rows.resize(batch.items.size() * width);
    GEMVEC_CHECK_OK(impl.run_batch({batch.ids, batch.offsets}, {.embeddings = rows.data(), .tokens = nullptr},
                                   options.between_layers));
    return engine::finish_vectors(rows, batch.items, options.normalize, result);
  }));
  return result;
}

Result<TokenEmbeddings> embed_token_items(Embedder::Impl& impl, const std::vector<BatchItem>& items,
                                          const EmbedOptions& options) {
  const std::size_t width = impl.source.config.width;
  TokenEmbeddings result;
  result.width = width;
  result.offsets = {0};
  for (const BatchItem& item : items) {
    result.offsets.push_back(result.offsets.back() + item.ids.size());
    result.texts.push_back(item.info);
  }
  result.values.resize(result.offsets.back() * width);
  if (options.vectors) result.vectors = room_for(items, std::min<std::size_t>(options.dim, width));
  std::vector<float> rows;
  std::vector<float> raw;
  GEMVEC_CHECK_OK(run_batches(impl, items, options, [&](const engine::MicroBatch& batch) -> Status {
    rows.resize(batch.ids.size() * width);
    raw.resize(options.vectors ? batch.items.size() * width : 0);
    GEMVEC_CHECK_OK(
        impl.run_batch({batch.ids, batch.offsets},
                       {.embeddings = options.vectors ? raw.data() : nullptr, .tokens = rows.data()},
                       options.between_layers));
    for (std::size_t i = 0; i < batch.items.size(); ++i) {
      const auto from = std::span(rows).subspan(batch.offsets[i] * width,
                                                (batch.offsets[i + 1] - batch.offsets[i]) * width);
      std::copy(from.begin(), from.end(),
                result.values.begin() + static_cast<std::ptrdiff_t>(result.offsets[batch.items[i]] * width));
    }
    if (!options.vectors) return {};
    return engine::finish_vectors(raw, batch.items, options.normalize, result.vectors);
  }));
  return result;
}

}  // namespace

Embedder::Embedder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Embedder::Embedder(Embedder&&) noexcept = default;
Embedder& Embedder::operator=(Embedder&&) noexcept = default;
Embedder::~Embedder() = default;

Result<Embeddings> Embedder::embed(std::span<const std::string_view> texts,
                                   const EmbedOptions& options) const {
  GEMVEC_CHECK_OK(check_options(options, impl_->source.config));
  GEMVEC_TRY(encodings, tokenize_all(*impl_, texts, options));
  return embed_items(*impl_, items_of(encodings), options);
}

Result<Embeddings> Embedder::embed_ids(std::span<const std::span<const std::int32_t>> ids,
                                       const EmbedOptions& options) const {
  GEMVEC_CHECK_OK(check_options(options, impl_->source.config));
  GEMVEC_TRY(items, items_of(impl_->source.config, ids));
  return embed_items(*impl_, items, options);
}

Result<TokenEmbeddings> Embedder::embed_tokens(std::span<const std::string_view> texts,
                                               const EmbedOptions& options) const {
  GEMVEC_CHECK_OK(check_options(options, impl_->source.config));
  GEMVEC_TRY(encodings, tokenize_all(*impl_, texts, options));
  return embed_token_items(*impl_, items_of(encodings), options);
}

Result<TokenEmbeddings> Embedder::embed_tokens_ids(std::span<const std::span<const std::int32_t>> ids,
                                                   const EmbedOptions& options) const {
  GEMVEC_CHECK_OK(check_options(options, impl_->source.config));
  GEMVEC_TRY(items, items_of(impl_->source.config, ids));
  return embed_token_items(*impl_, items, options);
}

const Tokenizer& Embedder::tokenizer() const { return *impl_->tokenizer; }
const PromptSet& Embedder::prompts() const { return impl_->prompts; }

ModelInfo Embedder::info() const {
  const model::Config& config = impl_->source.config;
  ModelInfo info;
  info.model = impl_->source.path;
  info.source_format = source::name_of(impl_->source.format);
  info.source_numbers = impl_->source.numbers;
  info.dtype = name_of(impl_->dtype);
  info.compute = impl_->arithmetic();
  info.isa = cpu::name_of(impl_->kernels->isa);
  info.threads = impl_->pool->size();
  info.layers = config.layers;
  info.width = config.width;
  info.heads = config.heads;
  info.head_dim = config.head_dim;
  info.ffn = config.ffn;
  info.vocab = config.vocab;
  info.max_tokens = config.max_tokens;
  info.source_bytes = impl_->source.weight_bytes;
  info.packed_bytes = impl_->block.bytes().size();
  info.packed_file = impl_->block.file();
  info.packed_from_cache = impl_->block.from_cache();
  {
    const std::scoped_lock lock(impl_->mutex);
    info.workspace_bytes = impl_->workspace.bytes();
  }
  info.check = impl_->check;
  info.check_max_abs_diff = impl_->check_max_abs_diff;
  if (impl_->check != WeightsCheck::kNotRun) info.check_weights = name_of(impl_->check_weights);
  info.notes = impl_->source.notes;
  info.notes.insert(info.notes.end(), impl_->block.notes().begin(), impl_->block.notes().end());
  info.notes.insert(info.notes.end(), impl_->tokenizer_notes.begin(), impl_->tokenizer_notes.end());
  return info;
}

}  // namespace gemvec
