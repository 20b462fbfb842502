#include "source/modules.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/quote.h"
#include "base/try.h"
#include "source/json_fields.h"

namespace gemvec::source {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxFileBytes = 1 << 20;  // modules.json has 573
constexpr std::array<std::string_view, 5> kPipeline = {"Transformer", "Pooling", "Dense", "Dense",
                                                       "Normalize"};

// "sentence_transformers.models.Pooling" -> "Pooling". The packages before the class's name have moved
// from version to version.
std::string_view last_part(std::string_view dotted) { return dotted.substr(dotted.rfind('.') + 1); }

// The object of a file, or nothing if there is no such file.
Result<std::optional<JsonFields>> read_if_there(const fs::path& path) {
  auto fields = JsonFields::read(path);
  if (fields.ok()) return std::optional<JsonFields>(std::move(fields).value());
  if (fields.error().code == ErrorCode::kNotFound) return std::optional<JsonFields>();
  return std::move(fields).error();
}

// A module's folder, which must lie in the model's.
Result<fs::path> module_dir(const fs::path& model_dir, const JsonFields& module) {
  GEMVEC_TRY(text, module.text("path"));
  const fs::path path(text);
  const bool leaves =
      std::any_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
  if (path.is_absolute() || leaves || text.find('\0') != std::string::npos)
    return module.expected("path", "a folder inside the model's");
  return model_dir / path;
}

// The five modules' folders.
Result<std::vector<fs::path>> read_pipeline(const fs::path& model_dir) {
  const fs::path path = model_dir / "modules.json";
  auto json = base::read_json(path, kMaxFileBytes);
  if (!json.ok()) {
    if (json.error().code != ErrorCode::kNotFound) return std::move(json).error();
    return std::vector<fs::path>{model_dir, model_dir / "1_Pooling", model_dir / "2_Dense",
                                 model_dir / "3_Dense", model_dir / "4_Normalize"};
  }
  const Error not_ours{
      ErrorCode::kUnsupported,
      path.string() + ": expected the modules Transformer, Pooling, Dense, Dense, Normalize"};
  const auto* array = json->if_array();
  if (array == nullptr)
    return Error{ErrorCode::kBadFormat, path.string() + ": expected an array of modules."};
  std::string found;
  std::vector<fs::path> folders;
  bool same = array->size() == kPipeline.size();
  for (std::size_t i = 0; i < array->size(); ++i) {
    const auto* object = (*array)[i].if_object();
    if (object == nullptr)
      return Error{ErrorCode::kBadFormat,
                   path.string() + ": module " + std::to_string(i) + ": expected an object."};
    const JsonFields module(*object, path.string(), "module " + std::to_string(i) + ": ");
    GEMVEC_TRY(type, module.text("type"));
    GEMVEC_TRY(folder, module_dir(model_dir, module));
    same = same && last_part(type) == kPipeline[i];
    found += (i == 0 ? "" : ", ") + std::string(last_part(type));
    folders.push_back(std::move(folder));
  }
  if (!same) return Error{not_ours.code, not_ours.message + ", found " + base::quote(found) + "."};
  // The weights are looked for beside config.json.
  if (folders[0].lexically_normal() != (model_dir / "").lexically_normal())
    return Error{ErrorCode::kUnsupported, path.string() + ": expected the transformer in the folder itself."};
  return folders;
}

Status check_width(const JsonFields& fields, std::string_view name, std::size_t width) {
  const auto* value = fields.find(name);
  if (value == nullptr || *value == width) return {};
  return fields.expected(name, std::to_string(width) + ", the transformer's width");
}

Status check_pooling(const fs::path& folder, std::size_t width) {
  GEMVEC_TRY(file, read_if_there(folder / "config.json"));
  if (!file) return {};
  GEMVEC_CHECK_OK(check_width(*file, "word_embedding_dimension", width));
  GEMVEC_CHECK_OK(check_width(*file, "embedding_dimension", width));
  if (const auto* prompt = file->find("include_prompt"); prompt != nullptr && *prompt != true)
    return file->expected("include_prompt", "true", ErrorCode::kUnsupported);
  // One name, or a switch for each mode.
  if (const auto* mode = file->find("pooling_mode"); mode != nullptr) {
    if (*mode == "mean") return {};
    return file->expected("pooling_mode", "\"mean\"", ErrorCode::kUnsupported);
  }
  for (const auto& field : file->raw()) {
    const std::string_view name(field.key().data(), field.key().size());
    if (name.starts_with("pooling_mode_") && name != "pooling_mode_mean_tokens")
      GEMVEC_CHECK_OK(file->absent_or_false(name));
  }
  const auto* mean = file->find("pooling_mode_mean_tokens");
  if (mean == nullptr || *mean != true)
    return file->expected("pooling_mode_mean_tokens", "true", ErrorCode::kUnsupported);
  return {};
}

// `in` and `out` are widths, or 0 where any will do.
Status check_dense(const fs::path& folder, std::size_t in, std::size_t out) {
  GEMVEC_TRY(file, read_if_there(folder / "config.json"));
  if (!file) return {};
  if (in != 0) GEMVEC_CHECK_OK(check_width(*file, "in_features", in));
  if (out != 0) GEMVEC_CHECK_OK(check_width(*file, "out_features", out));
  GEMVEC_CHECK_OK(file->absent_or_false("bias"));
  GEMVEC_TRY(activation, file->text("activation_function"));
  if (last_part(activation) != "Identity")
    return file->expected("activation_function", "\"torch.nn.modules.linear.Identity\"",
                          ErrorCode::kUnsupported);
  return {};
}

Status read_transformer(const fs::path& model_dir, Modules& modules) {
  GEMVEC_TRY(file, read_if_there(model_dir / "sentence_bert_config.json"));
  if (!file) return {};
  GEMVEC_CHECK_OK(file->absent_or_false("do_lower_case"));
  if (file->find("max_seq_length") == nullptr) return {};
  GEMVEC_TRY(tokens, file->whole_number("max_seq_length", 2, 1 << 24));
  modules.max_tokens = tokens;
  return {};
}

}  // namespace

Result<Modules> read_modules(const fs::path& model_dir, std::size_t width) {
  GEMVEC_TRY(folders, read_pipeline(model_dir));
  Modules modules;
  GEMVEC_CHECK_OK(read_transformer(model_dir, modules));
  GEMVEC_CHECK_OK(check_pooling(folders[1], width));
  GEMVEC_CHECK_OK(check_dense(folders[2], width, 0));
  GEMVEC_CHECK_OK(check_dense(folders[3], 0, width));
  modules.dense2 = std::move(folders[2]);
  modules.dense3 = std::move(folders[3]);
  return modules;
}

}  // namespace gemvec::source
