// What a model's files are, without computing a vector.
#include "gemvec/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <system_error>
#include <utility>

#include "base/thread_pool.h"
#include "base/try.h"
#include "formats/bundle.h"
#include "formats/gguf.h"
#include "formats/onnx.h"
#include "formats/safetensors.h"
#include "source/bundle_model.h"
#include "source/formats.h"
#include "source/model_source.h"
#include "source/weight_grid.h"

namespace gemvec {

namespace {

namespace fs = std::filesystem;

InspectedFile describe(const fs::path& path, std::string format) {
  InspectedFile file;
  file.path = path;
  file.format = std::move(format);
  std::error_code error;
  file.bytes = fs::file_size(path, error);
  if (error) file.bytes = 0;
  return file;
}

Result<InspectedFile> inspect_safetensors(const fs::path& path) {
  GEMVEC_TRY(opened, formats::Safetensors::open(path));
  InspectedFile file = describe(path, "safetensors");
  for (const formats::Tensor& tensor : opened.tensors())
    file.tensors.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes.size()});
  return file;
}

Result<InspectedFile> inspect_gguf(const fs::path& path) {
  GEMVEC_TRY(opened, formats::Gguf::open(path));
  InspectedFile file = describe(path, "GGUF");
  for (const formats::GgufTensor& tensor : opened.tensors()) {
    const auto* traits = formats::ggml_traits(static_cast<std::uint32_t>(tensor.type));
    file.tensors.push_back(
        {std::string(tensor.name), std::string(traits->name), tensor.shape, tensor.bytes.size()});
  }
  for (const char* key :
       {"general.architecture", "general.name", "general.license", "tokenizer.ggml.model"}) {
    const formats::GgufValue* value = opened.find(key);
    const auto text = value == nullptr ? std::nullopt : value->text();
    if (text) file.properties.emplace_back(key, std::string(*text));
  }
  return file;
}

Result<InspectedFile> inspect_onnx(const fs::path& path, std::vector<fs::path>& data_files) {
  GEMVEC_TRY(opened, formats::OnnxModel::open(path));
  InspectedFile file = describe(path, "ONNX");
  for (const formats::OnnxTensor& tensor : opened.tensors())
    file.tensors.push_back(
        {std::string(tensor.name), std::string(name_of(tensor.type)), tensor.dims, tensor.bytes.size()});
  const auto names = [](const std::vector<std::string_view>& list) {
    return fmt::format("{}", fmt::join(list, ", "));
  };
  file.properties = {{"inputs", names(opened.inputs())},
                     {"outputs", names(opened.outputs())},
                     {"nodes", std::to_string(opened.nodes().size())},
                     {"opset", std::to_string(opened.opset(""))}};
  for (const fs::path& other : opened.paths()) {
    if (other != path) data_files.push_back(other);
  }
  return file;
}

Result<InspectedFile> inspect_bundle(const fs::path& path) {
  GEMVEC_TRY(opened, formats::Bundle::open(path));
  InspectedFile file = describe(path, "gemvec");
  const auto description = opened.bytes(formats::BundlePart::kDescription);
  file.properties = {
      {"description", std::string(reinterpret_cast<const char*>(description.data()), description.size())}};
  for (const auto& [part, name] : {std::pair{formats::BundlePart::kTokenizer, "tokenizer"},
                                   std::pair{formats::BundlePart::kWeights, "weights"}})
    file.tensors.push_back({name, "packed", {}, opened.section(part).bytes});
  return file;
}

// The files with weights in a folder, by their names.
std::vector<fs::path> find_files(const fs::path& path, const source::OpenOptions& options) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return {path};
  std::vector<fs::path> found;
  for (const fs::path& folder : {path, path / "2_Dense", path / "3_Dense"}) {
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
      if (at->path().extension() == ".safetensors") found.push_back(at->path());
    }
  }
  std::sort(found.begin(), found.end());
  if (!found.empty()) return found;
  if (const fs::path onnx = source::find_onnx(path, options); !onnx.empty()) return {onnx};
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() == ".gguf") found.push_back(at->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

Status inspect_file(const fs::path& path, std::vector<InspectedFile>& files) {
  const fs::path extension = path.extension();
  std::vector<fs::path> data_files;
  auto file = extension == ".safetensors" ? inspect_safetensors(path)
              : extension == ".gguf"      ? inspect_gguf(path)
              : extension == ".onnx"      ? inspect_onnx(path, data_files)
              : extension == ".gemvec"
                  ? inspect_bundle(path)
                  : Result<InspectedFile>(
                        Error{ErrorCode::kBadFormat,
                              path.string() + ": expected a .safetensors, .onnx, .gguf or .gemvec file."});
  if (!file.ok()) return std::move(file).error();
  files.push_back(std::move(file).value());
  for (const fs::path& data : data_files) files.push_back(describe(data, "ONNX data"));
  return {};
}

// What only a model that can be loaded has.
Status inspect_source(const fs::path& path, source::OpenOptions options, Inspection& result) {
  options.allow_headless = true;
  GEMVEC_TRY(source, source::open_model(path, options));
  Result<Tokenizer> tokenizer =
      source.bundle == nullptr ? source::read_tokenizer(source.tokenizer) : source::bundle_tokenizer(source);
  if (!tokenizer.ok()) return std::move(tokenizer).error();
  GEMVEC_TRY(prompts, source::read_prompts_json(path));
  result.complete = true;
  result.format = source::name_of(source.format);
  result.numbers = source.numbers;
  result.has_dense = source.config.dense_width != 0;
  result.layers = source.config.layers;
  result.width = source.config.width;
  result.vocab = source.config.vocab;
  result.max_tokens = source.config.max_tokens;
  result.tokenizer = source.tokenizer;
  result.tokenizer_size = tokenizer->vocab_size();
  result.has_prompts = prompts.size() > 2;  // more than {}
  base::ThreadPool pool(base::usable_cores());
  result.grid = find_weight_grid(source, pool);
  result.notes = source.notes;
  return {};
}

}  // namespace

Result<Inspection> inspect_model(const fs::path& path, std::string_view dtype) {
  std::error_code error;
  if (!fs::exists(path, error))
    return Error{ErrorCode::kNotFound, path.string() + ": expected a model folder or file, found nothing."};
  const source::OpenOptions options = {.dtype = dtype, .allow_headless = true};
  Inspection result;
  Status first_problem;
  for (const fs::path& file : find_files(path, options)) {
    const Status read = inspect_file(file, result.files);
    if (!read.ok() && first_problem.ok()) first_problem = read;
  }
  if (result.files.empty()) {
    if (!first_problem.ok()) return first_problem.error();
    return Error{ErrorCode::kBadFormat,
                 path.string() + ": expected a .safetensors, .onnx, .gguf or .gemvec file in it."};
  }
  const Status loaded = inspect_source(path, options, result);
  if (!loaded.ok()) result.problem = loaded.error().message;
  return result;
}

}  // namespace gemvec
