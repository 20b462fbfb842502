// A model folder in the sentence-transformers layout.
#include <cstdint>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/try.h"
#include "source/formats.h"
#include "source/modules.h"
#include "source/tensor_table.h"

namespace gemvec::source {

namespace {

namespace fs = std::filesystem;

// The dense layers' common width; its product with the model's fits into 64 bits with room to spare.
constexpr std::size_t kMaxDenseWidth = 1 << 20;
constexpr std::size_t kDenseWidthStep = 32;  // the kernels' contract: see model/config.h

// An exponent of ones is an infinity or a NaN in each of the three types.
bool is_finite(const model::RawTensor& tensor) {
  const std::size_t size = tensor.type == model::RawType::kF32 ? 4 : 2;
  const std::uint32_t exponent = tensor.type == model::RawType::kF32    ? 0x7F800000
                                 : tensor.type == model::RawType::kBf16 ? 0x7F80
                                                                        : 0x7C00;
  for (std::size_t i = 0; i < tensor.rows * tensor.cols; ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, tensor.data + i * size, size);
    if ((bits & exponent) == exponent) return false;
  }
  return true;
}

// Takes the tensors of the transformer, one by one.
class WeightReader {
 public:
  WeightReader(const model::Config& config, TensorTable& table)
      : config_(config),
        table_(table),
        prefix_(table.contains("model.embed_tokens.weight") ? "model." : "") {}

  Status read(model::RawWeights& weights) {
    GEMVEC_CHECK_OK(matrix(weights.embedding, "embed_tokens", config_.vocab, config_.width));
    weights.layers.resize(config_.layers);
    for (std::size_t i = 0; i < config_.layers; ++i)
      GEMVEC_CHECK_OK(layer(weights.layers[i], "layers." + std::to_string(i) + "."));
    GEMVEC_CHECK_OK(norm(weights.final_norm, "norm", config_.width));
    // The head of a language model is tied to the embedding table and not used here.
    return table_.check_all_taken("lm_head.weight");
  }

 private:
  Status layer(model::RawLayer& out, const std::string& at) {
    const std::size_t width = config_.width, head = config_.head_dim, queries = config_.query_width();
    GEMVEC_CHECK_OK(norm(out.input_norm, at + "input_layernorm", width));
    GEMVEC_CHECK_OK(norm(out.post_attention_norm, at + "post_attention_layernorm", width));
    GEMVEC_CHECK_OK(norm(out.pre_ffn_norm, at + "pre_feedforward_layernorm", width));
    GEMVEC_CHECK_OK(norm(out.post_ffn_norm, at + "post_feedforward_layernorm", width));
    GEMVEC_CHECK_OK(norm(out.q_norm, at + "self_attn.q_norm", head));
    GEMVEC_CHECK_OK(norm(out.k_norm, at + "self_attn.k_norm", head));
    GEMVEC_CHECK_OK(matrix(out.q, at + "self_attn.q_proj", queries, width));
    GEMVEC_CHECK_OK(matrix(out.k, at + "self_attn.k_proj", head, width));
    GEMVEC_CHECK_OK(matrix(out.v, at + "self_attn.v_proj", head, width));
    GEMVEC_CHECK_OK(matrix(out.o, at + "self_attn.o_proj", width, queries));
    GEMVEC_CHECK_OK(matrix(out.gate, at + "mlp.gate_proj", config_.ffn, width));
    GEMVEC_CHECK_OK(matrix(out.up, at + "mlp.up_proj", config_.ffn, width));
    return matrix(out.down, at + "mlp.down_proj", width, config_.ffn);
  }

  Status matrix(model::RawTensor& out, const std::string& name, std::size_t rows, std::size_t cols) {
    GEMVEC_TRY(tensor, table_.take_matrix(prefix_ + name + ".weight", rows, cols));
    out = tensor;
    return {};
  }

  // Norms are small enough to look at every number of them, and one that is not finite spoils everything.
  Status norm(model::RawTensor& out, const std::string& name, std::size_t size) {
    GEMVEC_TRY(tensor, table_.take_vector(prefix_ + name + ".weight", size));
    if (!is_finite(tensor))
      return Error{ErrorCode::kBadFormat, table_.path_of(prefix_ + name + ".weight").string() + ": tensor " +
                                              prefix_ + name + ".weight: expected finite numbers."};
    out = tensor;
    return {};
  }

  const model::Config& config_;
  TensorTable& table_;
  std::string prefix_;
};

std::string_view numbers_of(model::RawType type) {
  return type == model::RawType::kBf16 ? "bf16" : type == model::RawType::kF16 ? "fp16" : "fp32";
}

void keep_files(TensorTable& table, ModelSource& folder) {
  for (auto& file : table.release_files()) {
    folder.weight_bytes += file.bytes().size();
    folder.files.push_back(std::move(file));
  }
  folder.weight_files.insert(folder.weight_files.end(), table.paths().begin(), table.paths().end());
}

Status read_transformer(const fs::path& path, ModelSource& folder) {
  GEMVEC_TRY(table, TensorTable::open(path));
  GEMVEC_CHECK_OK(WeightReader(folder.config, table).read(folder.weights));
  keep_files(table, folder);
  return {};
}

Status read_dense(const Modules& modules, ModelSource& folder) {
  constexpr auto kName = "linear.weight";
  const std::size_t width = folder.config.width;
  GEMVEC_TRY(first, TensorTable::open(modules.dense2));
  const std::size_t inner = first.rows_of(kName);
  if (inner > kMaxDenseWidth || inner % kDenseWidthStep != 0)
    return Error{ErrorCode::kUnsupported, first.path_of(kName).string() + ": tensor " + kName +
                                              ": expected a multiple of 32 rows, found " +
                                              std::to_string(inner) + "."};
  // Without such a matrix, the release's shape is what was expected.
  if (inner != 0) folder.config.dense_width = inner;
  GEMVEC_TRY(dense2, first.take_matrix(kName, folder.config.dense_width, width));
  GEMVEC_CHECK_OK(first.check_all_taken());
  GEMVEC_TRY(second, TensorTable::open(modules.dense3));
  GEMVEC_TRY(dense3, second.take_matrix(kName, width, folder.config.dense_width));
  GEMVEC_CHECK_OK(second.check_all_taken());
  folder.weights.dense2 = dense2;
  folder.weights.dense3 = dense3;
  keep_files(first, folder);
  keep_files(second, folder);
  return {};
}

}  // namespace

Result<ModelSource> open_safetensors(const fs::path& folder, const OpenOptions&) {
  ModelSource source;
  source.format = Format::kSafetensors;
  source.folder = folder;
  source.tokenizer = folder / "tokenizer.json";
  GEMVEC_CHECK_OK(read_config(folder, source));
  GEMVEC_TRY(modules, read_modules(folder, source.config.width));
  GEMVEC_CHECK_OK(read_transformer(folder, source));
  GEMVEC_CHECK_OK(read_dense(modules, source));
  source.numbers = numbers_of(source.weights.embedding.type);
  return source;
}

}  // namespace gemvec::source
