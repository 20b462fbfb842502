// ONNX files as models.
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/quote.h"
#include "base/try.h"
#include "formats/onnx.h"
#include "source/formats.h"
#include "source/onnx_graph.h"
#include "source/onnx_match.h"

namespace gemvec::source {

namespace {

namespace fs = std::filesystem;

// The dense layers' common width; its product with the model's fits into 64 bits with room to spare.
constexpr std::size_t kMaxDenseWidth = 1 << 20;
constexpr std::size_t kDenseWidthStep = 32;  // the kernels' contract: see model/config.h

// The file's folder, or the one above it, whichever has the file NAME; empty if neither.
fs::path folder_with(const fs::path& onnx_file, const char* name) {
  std::error_code error;
  const fs::path beside = fs::absolute(onnx_file, error).lexically_normal().parent_path();
  for (const fs::path& folder : {beside, beside.parent_path()}) {
    if (!error && fs::exists(folder / name, error)) return folder;
  }
  return {};
}

class ModelBuilder {
 public:
  ModelBuilder(ModelSource& source, std::shared_ptr<const void> storage)
      : source_(source), storage_(std::move(storage)) {}

  Status build(const OnnxMatch& match, const std::string& file, bool allow_headless) {
    model::RawWeights& weights = source_.weights;
    weights.embedding = raw(match.embedding.table);
    for (const OnnxLayer& layer : match.layers) weights.layers.push_back(raw(layer));
    weights.final_norm = raw(match.final_norm);
    GEMVEC_CHECK_OK(dense(match, file, allow_headless));
    for (const std::string_view numbers : numbers_) {
      if (!source_.numbers.empty()) source_.numbers += " and ";
      source_.numbers += numbers;
    }
    return {};
  }

 private:
  model::RawTensor raw(const OnnxMatrix& matrix) {
    const std::string_view numbers = matrix.numbers();
    if (std::find(numbers_.begin(), numbers_.end(), numbers) == numbers_.end()) numbers_.push_back(numbers);
    source_.quantized |= matrix.affine.has_value();
    return to_raw(matrix, storage_, source_.readers);
  }
  model::RawTensor raw(const OnnxLinear& linear) { return raw(linear.weight); }
  model::RawTensor raw(const OnnxNorm& norm) { return to_raw(norm.weight, storage_, source_.readers); }

  model::RawLayer raw(const OnnxLayer& from) {
    model::RawLayer layer;
    layer.input_norm = raw(from.input_norm);
    layer.post_attention_norm = raw(from.post_attention_norm);
    layer.pre_ffn_norm = raw(from.pre_ffn_norm);
    layer.post_ffn_norm = raw(from.post_ffn_norm);
    layer.q_norm = raw(from.q_norm);
    layer.k_norm = raw(from.k_norm);
    layer.q = raw(from.q);
    layer.k = raw(from.k);
    layer.v = raw(from.v);
    layer.o = raw(from.o);
    layer.gate = raw(from.gate);
    layer.up = raw(from.up);
    layer.down = raw(from.down);
    return layer;
  }

  Status dense(const OnnxMatch& match, const std::string& file, bool allow_headless) {
    if (!match.dense) {
      if (!allow_headless) {
        return Error{ErrorCode::kUnsupported,
                     file +
                         ": expected two dense layers after the transformer, found none: vectors without "
                         "them are not EmbeddingGemma's (--allow-headless takes the model as it is)."};
      }
      source_.config.dense_width = 0;
      source_.notes.push_back(
          file + ": has no dense layers: vectors are means of the tokens', not EmbeddingGemma's.");
      return {};
    }
    const auto& [first, second] = *match.dense;
    const std::size_t inner = first.weight.rows;
    if (inner > kMaxDenseWidth || inner % kDenseWidthStep != 0) {
      return Error{ErrorCode::kUnsupported, file + ": tensor " + base::quote(first.weight.tensor->name) +
                                                ": expected a multiple of 32 outputs, found " +
                                                std::to_string(inner) + "."};
    }
    source_.config.dense_width = inner;
    source_.weights.dense2 = raw(first);
    source_.weights.dense3 = raw(second);
    return {};
  }

  ModelSource& source_;
  std::shared_ptr<const void> storage_;
  std::vector<std::string_view> numbers_;  // in the order in which they came
};

bool is_onnx_file(const fs::path& path) {
  std::error_code ignored;
  return path.extension() == ".onnx" && fs::is_regular_file(path, ignored);
}

// Empty unless there is exactly one.
fs::path only_onnx_file(const fs::path& folder) {
  fs::path found;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (!is_onnx_file(at->path())) continue;
    if (!found.empty()) return {};
    found = at->path();
  }
  return error ? fs::path() : found;
}

// As the hub's ONNX repository and Transformers.js name the files, best first.
std::vector<const char*> file_names(std::string_view dtype) {
  std::vector<const char*> names;
  if (dtype == "q4") {
    names = {"model_q4.onnx", "model_no_gather_q4.onnx", "model_q4f16.onnx"};
  } else if (dtype != "fp32" && dtype != "bf16") {
    names = {"model_quantized.onnx", "model_int8.onnx", "model_uint8.onnx"};
  }
  names.push_back("model.onnx");
  names.push_back("model_fp16.onnx");
  return names;
}

}  // namespace

Result<ModelSource> open_onnx(const fs::path& file, const OpenOptions& options) {
  ModelSource source;
  source.format = Format::kOnnx;
  GEMVEC_TRY(onnx, formats::OnnxModel::open(file));
  source.folder = folder_with(file, "config.json");
  if (source.folder.empty()) {
    return Error{ErrorCode::kNotFound, file.string() + ": expected config.json beside it, as " +
                                           (file.parent_path() / "config.json").string() +
                                           ", or one folder up, found neither."};
  }
  const fs::path tokenizer = folder_with(file, "tokenizer.json");
  source.tokenizer = (tokenizer.empty() ? source.folder : tokenizer) / "tokenizer.json";
  GEMVEC_CHECK_OK(read_config(source.folder, source));
  GEMVEC_TRY(graph, OnnxGraph::build(onnx, file.string()));
  GEMVEC_TRY(match, match_onnx(graph, source.config));
  GEMVEC_CHECK_OK(ModelBuilder(source, onnx.storage()).build(match, file.string(), options.allow_headless));
  source.files = onnx.release_files();
  source.weight_files = onnx.paths();
  for (const auto& mapped : source.files) source.weight_bytes += mapped.bytes().size();
  return source;
}

fs::path find_onnx(const fs::path& folder, const OpenOptions& options) {
  for (const fs::path& place : {folder / "onnx", folder}) {
    for (const char* name : file_names(options.dtype)) {
      if (is_onnx_file(place / name)) return place / name;
    }
  }
  for (const fs::path& place : {folder / "onnx", folder}) {
    if (fs::path found = only_onnx_file(place); !found.empty()) return found;
  }
  return {};
}

}  // namespace gemvec::source
