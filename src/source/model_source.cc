// Which format a path holds, and what all formats have in common.
#include "source/model_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/try.h"
#include "source/bundle_model.h"
#include "source/formats.h"
#include "source/model_config.h"
#include "source/modules.h"

namespace gemvec::source {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxConfigBytes = 1 << 20;  // the release's has 1488

Error nothing_found(const fs::path& path) {
  return {ErrorCode::kBadFormat, path.string() +
                                     ": expected a model folder with model.safetensors, onnx/model.onnx or a "
                                     ".gguf file in it, or one .onnx, .gguf or .gemvec file."};
}

Result<std::vector<fs::path>> gguf_files(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() == ".gguf") found.push_back(at->path());
  }
  if (error) return base::os_error("read", folder, error.value());
  std::sort(found.begin(), found.end());
  return found;
}

Result<ModelSource> open_folder(const fs::path& folder, const OpenOptions& options) {
  std::error_code ignored;
  for (const char* name : {"model.safetensors", "model.safetensors.index.json"}) {
    if (fs::exists(folder / name, ignored)) return open_safetensors(folder, options);
  }
  if (const fs::path onnx = find_onnx(folder, options); !onnx.empty()) return open_onnx(onnx, options);
  GEMVEC_TRY(ggufs, gguf_files(folder));
  if (ggufs.size() == 1) return open_gguf(ggufs.front(), options);
  if (ggufs.size() > 1) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{}: expected one .gguf file, found {}, {} among them; name the file itself.",
                             folder.string(), ggufs.size(), ggufs.front().filename().string())};
  }
  // A folder with a configuration lacks its weights: say which file was looked for.
  if (fs::exists(folder / "config.json", ignored)) return open_safetensors(folder, options);
  return nothing_found(folder);
}

Result<ModelSource> open_path(const fs::path& path, const OpenOptions& options) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found)
    return Error{ErrorCode::kNotFound, path.string() + ": expected a model folder or file, found nothing."};
  if (error) return base::os_error("open", path, error.value());
  if (status.type() == fs::file_type::directory) return open_folder(path, options);
  if (path.extension() == ".gguf") return open_gguf(path, options);
  if (path.extension() == ".onnx") return open_onnx(path, options);
  if (path.extension() == ".gemvec") return open_bundle(path);
  return nothing_found(path);
}

}  // namespace

std::string_view name_of(Format format) {
  switch (format) {
    case Format::kSafetensors:
      return "safetensors";
    case Format::kOnnx:
      return "ONNX";
    case Format::kGguf:
      return "GGUF";
    case Format::kGemvec:
      return "gemvec";
  }
  return "";
}

Status read_config(const fs::path& folder, ModelSource& source) {
  const fs::path path = folder / "config.json";
  GEMVEC_TRY(json, base::read_file(path, kMaxConfigBytes));
  GEMVEC_TRY(config, parse_model_config(json, path.string()));
  source.config = std::move(config.config);
  source.notes = std::move(config.notes);
  GEMVEC_TRY(modules, read_modules(folder, source.config.width));
  if (modules.max_tokens != 0 && modules.max_tokens < source.config.max_tokens) {
    source.config.max_tokens = modules.max_tokens;
    source.notes.push_back((folder / "sentence_bert_config.json").string() +
                           ": max_seq_length limits texts to " + std::to_string(modules.max_tokens) +
                           " tokens.");
  }
  return {};
}

Result<ModelSource> open_model(const fs::path& path, const OpenOptions& options) {
  GEMVEC_TRY(source, open_path(path, options));
  source.path = path;
  return source;
}

Result<std::string> read_prompts_json(const fs::path& model) {
  if (model.extension() == ".gemvec") {
    GEMVEC_TRY(bundle, open_bundle(model));
    return std::move(bundle.prompts_json);
  }
  std::error_code ignored;
  std::vector<fs::path> places = {model};
  // An .onnx file lies beside the other files or one folder below them.
  if (!fs::is_directory(model, ignored)) places = {model.parent_path(), model.parent_path().parent_path()};
  for (const fs::path& place : places) {
    auto text = base::read_file(place / "config_sentence_transformers.json", kMaxConfigBytes);
    if (text.ok() || text.error().code != ErrorCode::kNotFound) return text;
  }
  return std::string();
}

}  // namespace gemvec::source
