#include "engine/tokenizer_cache.h"

#include <fmt/format.h>

#include <memory>
#include <span>
#include <utility>

#include "base/try.h"
#include "engine/cache_file.h"
#include "source/formats.h"
#include "tokenizer/internals.h"
#include "tokenizer/packed_tables.h"

namespace gemvec::engine {

Result<CachedTokenizer> load_tokenizer(const std::filesystem::path& path,
                                       const std::filesystem::path& cache_dir) {
  if (cache_dir.empty()) {
    GEMVEC_TRY(parsed, source::read_tokenizer(path));
    return CachedTokenizer{std::move(parsed), {}, false, {}};
  }
  GEMVEC_TRY(source, source_identity(path));
  CacheRequest request;
  request.dir = cache_dir / "packed";
  request.kind = CacheKind::kTokenizer;
  request.content_version = tokenizer::kPackedTablesVersion;
  request.key = cache_key(fmt::format("tokenizer {}\n{}", tokenizer::kPackedTablesVersion, source));
  request.name = "tokenizer";
  request.what = "Tokenizer tables";
  request.content = [&]() -> Result<CacheContent> {
    GEMVEC_TRY(parsed, source::read_tokenizer(path));
    const auto kept = std::make_shared<const Tokenizer>(std::move(parsed));
    const tokenizer::Tables& tables = tokenizer::Internals::tables(*kept);
    const std::uint64_t bytes = tokenizer::packed_bytes(tables);
    return CacheContent{bytes, bytes, [kept, &tables](std::span<std::byte> out) -> Status {
                          tokenizer::pack_tables(tables, out);
                          return {};
                        }};
  };
  tokenizer::Tables tables;
  request.accept = [&](std::span<const std::byte> payload, std::uint64_t verified) -> Status {
    if (verified != payload.size())
      return Error{ErrorCode::kBadFormat, "tokenizer tables: expected all bytes to be verified."};
    GEMVEC_TRY(found, tokenizer::view_tables(payload, "tokenizer tables"));
    tables = found;
    return {};
  };
  GEMVEC_TRY(file, CacheFile::load(request, nullptr));
  if (file.file().empty()) GEMVEC_CHECK_OK(request.accept(file.bytes(), file.bytes().size()));
  const auto memory = std::make_shared<const CacheFile>(std::move(file));
  return CachedTokenizer{tokenizer::Internals::make(tables, memory), memory->file(), memory->from_cache(),
                         memory->notes()};
}

}  // namespace gemvec::engine
