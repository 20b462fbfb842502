// ONNX files as models.
#include "source/formats.h"

namespace gemvec::source {

Result<ModelSource> open_onnx(const std::filesystem::path& file, const OpenOptions&) {
  return Error{ErrorCode::kUnsupported, file.string() + ": ONNX files are not read yet."};
}

std::filesystem::path find_onnx(const std::filesystem::path&, const OpenOptions&) { return {}; }

}  // namespace gemvec::source
