// The public Tokenizer: loading, and the tables behind the pointer.
#include "gemvec/tokenizer.h"

#include <fmt/format.h>

#include <new>
#include <utility>

#include "base/file.h"
#include "base/try.h"
#include "tokenizer/build.h"
#include "tokenizer/decode.h"
#include "tokenizer/encode.h"
#include "tokenizer/internals.h"
#include "tokenizer/json_reader.h"

namespace gemvec {

Result<Tokenizer> Tokenizer::from_file(const std::filesystem::path& tokenizer_json) {
  GEMVEC_TRY(json, base::read_file(tokenizer_json, tokenizer::kMaxJsonBytes));
  return from_json(json, tokenizer_json.string());
}

Result<Tokenizer> Tokenizer::from_json(std::string_view json, std::string_view name) {
  GEMVEC_TRY(raw, tokenizer::read_tokenizer_json(json, name));
  GEMVEC_TRY(tables, tokenizer::build_tables(raw, name));
  auto impl = std::make_unique<Impl>();
  impl->owned = std::move(tables);
  impl->tables = impl->owned.view();
  return Tokenizer(std::move(impl));
}

Tokenizer tokenizer::Internals::make(const Tables& tables, std::shared_ptr<const void> memory) {
  auto impl = std::make_unique<Tokenizer::Impl>();
  impl->memory = std::move(memory);
  impl->tables = tables;
  return Tokenizer(std::move(impl));
}

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Encoding> Tokenizer::encode(std::string_view text, const TokenizeOptions& options) const {
  try {
    return tokenizer::encode(impl_->tables, text, options);
  } catch (const std::bad_alloc&) {  // the length of a text has no limit, and memory has one
    return Error{ErrorCode::kIo,
                 fmt::format("Out of memory while tokenising a text of {} bytes.", text.size())};
  }
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
  return tokenizer::decode(impl_->tables, ids, skip_special);
}

bool Tokenizer::is_special(std::int32_t id) const { return tokenizer::is_special(impl_->tables, id); }

std::size_t Tokenizer::vocab_size() const { return impl_->tables.vocab_size(); }

std::string_view Tokenizer::piece(std::int32_t id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= vocab_size()) return {};
  return impl_->tables.piece(id);
}

std::int32_t Tokenizer::bos_id() const { return impl_->tables.bos; }
std::int32_t Tokenizer::eos_id() const { return impl_->tables.eos; }
std::int32_t Tokenizer::pad_id() const { return impl_->tables.pad; }

}  // namespace gemvec
