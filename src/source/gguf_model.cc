// GGUF files as models.
#include "source/formats.h"

namespace gemvec::source {

Result<ModelSource> open_gguf(const std::filesystem::path& file, const OpenOptions&) {
  return Error{ErrorCode::kUnsupported, file.string() + ": GGUF files are not read yet."};
}
Result<Tokenizer> read_tokenizer(const std::filesystem::path& path) { return Tokenizer::from_file(path); }

}  // namespace gemvec::source
