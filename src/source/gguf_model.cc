// A GGUF file as a model: its tensors in the places where the engine wants them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "base/quote.h"
#include "base/try.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "source/formats.h"
#include "source/gguf_config.h"
#include "source/gguf_fields.h"
#include "source/model_config.h"

namespace gemvec::source {

namespace {

namespace fs = std::filesystem;
using formats::GgmlType;

// The dense layers' common width; its product with the model's fits into 64 bits with room to spare.
constexpr std::uint64_t kMaxDenseWidth = 1 << 20;
// The norms' w without the 1 that their tensors have, as gemvec writes it beside them: fp32 rounds 1 + w, and
// this way back is exact.
constexpr std::string_view kNormWeights = "gemvec.norm_weights";

// A matrix of blocks.
class BlockRows : public model::RowReader {
 public:
  BlockRows(const formats::GgufTensor& tensor, std::size_t cols)
      : type_(tensor.type), data_(tensor.bytes.data()), cols_(cols) {}

  void read(std::size_t row, float* out) const override {
    formats::ggml_decode_row(type_, data_ + row * formats::ggml_row_bytes(type_, cols_), cols_, out);
  }

 private:
  GgmlType type_;
  const std::byte* data_;  // [rows, cols]
  std::size_t cols_;
};

// Takes the tensors one by one.
class WeightReader {
 public:
  WeightReader(const formats::Gguf& gguf, std::string file, const GgufConfig& names, ModelSource& source)
      : gguf_(gguf), file_(std::move(file)), names_(names), source_(source), config_(source.config) {}

  Status read(bool allow_headless) {
    GEMVEC_CHECK_OK(embedding());
    source_.weights.layers.resize(config_.layers);
    for (std::size_t i = 0; i < config_.layers; ++i)
      GEMVEC_CHECK_OK(layer(source_.weights.layers[i], fmt::format("blk.{}.", i)));
    GEMVEC_CHECK_OK(norm(source_.weights.final_norm, "output_norm.weight", config_.width));
    name_numbers();
    GEMVEC_CHECK_OK(dense(allow_headless));
    GEMVEC_CHECK_OK(exact_norms());
    return check_all_taken();
  }

 private:
  [[nodiscard]] Error bad(std::string_view tensor, const std::string& problem,
                          ErrorCode code = ErrorCode::kBadFormat) const {
    return {code, fmt::format("{}: tensor {}: {}.", file_, tensor, problem)};
  }

  // The tensor with this shape, innermost dimension first as the file has it.
  Result<const formats::GgufTensor*> take(const std::string& name, const std::vector<std::uint64_t>& shape) {
    const auto* tensor = gguf_.find_tensor(name);
    if (tensor == nullptr) return bad(name, "not found; expected shape " + formats::shape_text(shape));
    if (tensor->shape != shape)
      return bad(name, "expected shape " + formats::shape_text(shape) + ", found " +
                           formats::shape_text(tensor->shape));
    taken_.insert(tensor);
    return tensor;
  }

  Status matrix(model::RawTensor& out, const std::string& name, std::size_t rows, std::size_t cols) {
    GEMVEC_TRY(tensor, take(name, {cols, rows}));
    out.rows = rows;
    out.cols = cols;
    if (tensor->type == GgmlType::kF32 || tensor->type == GgmlType::kBf16 || tensor->type == GgmlType::kF16) {
      plain(*tensor, out);
      return {};
    }
    source_.quantized = true;
    source_.readers.push_back(std::make_unique<const BlockRows>(*tensor, cols));
    out.type = model::RawType::kRows;
    out.reader = source_.readers.back().get();
    return {};
  }

  // A linear layer, whose type is part of what the file's numbers are called.
  Status linear(model::RawTensor& out, const std::string& name, std::size_t rows, std::size_t cols) {
    GEMVEC_CHECK_OK(matrix(out, name, rows, cols));
    weights_of_type_[gguf_.find_tensor(name)->type] += rows * cols;
    return {};
  }

  static void plain(const formats::GgufTensor& tensor, model::RawTensor& out) {
    out.type = tensor.type == GgmlType::kF32    ? model::RawType::kF32
               : tensor.type == GgmlType::kBf16 ? model::RawType::kBf16
                                                : model::RawType::kF16;
    out.data = tensor.bytes.data();
  }

  // Norms are small enough to look at every number of them, and one that is not finite spoils everything.
  Status norm(model::RawTensor& out, const std::string& name, std::size_t size) {
    GEMVEC_TRY(tensor, take(name, {size}));
    if (formats::ggml_traits(static_cast<std::uint32_t>(tensor->type))->block != 1)
      return bad(name,
                 fmt::format("expected the type F32, BF16 or F16, found {}",
                             formats::ggml_type_name(static_cast<std::uint32_t>(tensor->type))),
                 ErrorCode::kUnsupported);
    out.rows = 1;
    out.cols = size;
    out.one_added = true;
    plain(*tensor, out);
    for (const float value : values(*tensor)) {
      if (!std::isfinite(value)) return bad(name, "expected finite numbers");
    }
    norms_.push_back({&out, tensor});
    return {};
  }

  static std::vector<float> values(const formats::GgufTensor& norm) {
    std::vector<float> values(norm.shape[0]);
    formats::ggml_decode_row(norm.type, norm.bytes.data(), values.size(), values.data());
    return values;
  }

  Status embedding() {
    constexpr auto kName = "token_embd.weight";
    const auto* tensor = gguf_.find_tensor(kName);
    // Without such a table, the release's shape is what was expected.
    if (tensor != nullptr && tensor->shape.size() == 2) config_.vocab = tensor->shape[1];
    if (config_.vocab > kMaxVocab)
      return bad(kName, fmt::format("expected at most {} rows, found {}", kMaxVocab, config_.vocab),
                 ErrorCode::kUnsupported);
    const GgufFields fields(gguf_, file_, names_.prefix);
    GEMVEC_CHECK_OK(fields.absent_or("vocab_size", std::uint64_t{config_.vocab}));
    return matrix(source_.weights.embedding, kName, config_.vocab, config_.width);
  }

  Status layer(model::RawLayer& out, const std::string& at) {
    const std::size_t width = config_.width, head = config_.head_dim, queries = config_.query_width();
    GEMVEC_CHECK_OK(norm(out.input_norm, at + "attn_norm.weight", width));
    GEMVEC_CHECK_OK(norm(out.post_attention_norm, at + "post_attention_norm.weight", width));
    GEMVEC_CHECK_OK(norm(out.pre_ffn_norm, at + "ffn_norm.weight", width));
    GEMVEC_CHECK_OK(norm(out.post_ffn_norm, at + "post_ffw_norm.weight", width));
    GEMVEC_CHECK_OK(norm(out.q_norm, at + "attn_q_norm.weight", head));
    GEMVEC_CHECK_OK(norm(out.k_norm, at + "attn_k_norm.weight", head));
    GEMVEC_CHECK_OK(linear(out.q, at + "attn_q.weight", queries, width));
    GEMVEC_CHECK_OK(linear(out.k, at + "attn_k.weight", head, width));
    GEMVEC_CHECK_OK(linear(out.v, at + "attn_v.weight", head, width));
    GEMVEC_CHECK_OK(linear(out.o, at + "attn_output.weight", width, queries));
    GEMVEC_CHECK_OK(linear(out.gate, at + "ffn_gate.weight", config_.ffn, width));
    GEMVEC_CHECK_OK(linear(out.up, at + "ffn_up.weight", config_.ffn, width));
    return linear(out.down, at + "ffn_down.weight", width, config_.ffn);
  }

  Status dense(bool allow_headless) {
    const auto* first = gguf_.find_tensor(names_.dense2);
    if (first == nullptr && gguf_.find_tensor(names_.dense3) == nullptr) {
      if (!allow_headless)
        return bad(names_.dense2,
                   "not found: the file was made without the two dense layers behind the mean (llama.cpp's "
                   "converter takes them with --sentence-transformers-dense-modules), and without them its "
                   "vectors are not EmbeddingGemma's; allow_headless takes it all the same");
      config_.dense_width = 0;
      source_.notes.push_back(file_ + ": has no dense layers; its vectors are not EmbeddingGemma's.");
      return {};
    }
    if (first != nullptr && first->shape.size() == 2) config_.dense_width = first->shape[1];
    if (config_.dense_width > kMaxDenseWidth || config_.dense_width % kWidthStep != 0)
      return bad(names_.dense2,
                 fmt::format("expected a multiple of {} rows, found {}", kWidthStep, config_.dense_width),
                 ErrorCode::kUnsupported);
    const GgufFields fields(gguf_, file_, names_.prefix);
    const std::uint64_t outer = config_.width, inner = config_.dense_width;
    GEMVEC_CHECK_OK(matrix(source_.weights.dense2, names_.dense2, inner, outer));
    GEMVEC_CHECK_OK(matrix(source_.weights.dense3, names_.dense3, outer, inner));
    GEMVEC_CHECK_OK(fields.absent_or("dense_2_feat_in", outer));
    GEMVEC_CHECK_OK(fields.absent_or("dense_2_feat_out", inner));
    GEMVEC_CHECK_OK(fields.absent_or("dense_3_feat_in", inner));
    GEMVEC_CHECK_OK(fields.absent_or("dense_3_feat_out", outer));
    return {};
  }

  // Takes w from gemvec.norm_weights if it is there and is what the tensors were made of.
  Status exact_norms() {
    const auto* value = gguf_.find(kNormWeights);
    if (value == nullptr) return {};
    const auto ignore = [&](const std::string& found) {
      source_.notes.push_back(fmt::format("{}: {}: {}; it is ignored.", file_, kNormWeights, found));
      return Status();
    };
    const auto weights = value->floats();
    std::size_t count = 0;
    for (const Norm& norm : norms_) count += norm.raw->cols;
    if (!weights || weights->size() != count)
      return ignore(fmt::format("expected {} fp32 numbers, found {}", count, value->describe()));
    std::size_t at = 0;
    for (const Norm& norm : norms_) {
      for (const float with_one : values(*norm.tensor)) {
        if (1.0F + (*weights)[at++] != with_one)
          return ignore("its numbers are not those of the norms' tensors");
      }
    }
    const std::byte* data = value->bytes.data();
    for (const Norm& norm : norms_) {
      *norm.raw = {model::RawType::kF32, 1, norm.raw->cols, data};
      data += norm.raw->cols * sizeof(float);
    }
    return {};
  }

  // "Q4_K and Q6_K": the types of the linear layers, the one of most weights first.
  void name_numbers() {
    std::vector<std::pair<GgmlType, std::size_t>> types(weights_of_type_.begin(), weights_of_type_.end());
    std::stable_sort(types.begin(), types.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    for (const auto& [type, weights] : types) {
      const auto name = type == GgmlType::kF32    ? "fp32"
                        : type == GgmlType::kBf16 ? "bf16"
                        : type == GgmlType::kF16  ? "fp16"
                                                  : formats::ggml_type_name(static_cast<std::uint32_t>(type));
      source_.numbers += (source_.numbers.empty() ? "" : " and ") + std::string(name);
    }
  }

  // A tensor that nobody took would be silently left out of the computation. Only the head of a language
  // model, which is the embedding table again, is no part of it.
  [[nodiscard]] Status check_all_taken() const {
    for (const auto& tensor : gguf_.tensors()) {
      if (taken_.contains(&tensor) || tensor.name == "output.weight") continue;
      return bad(base::quote(tensor.name), "expected only the tensors of EmbeddingGemma",
                 ErrorCode::kUnsupported);
    }
    return {};
  }

  const formats::Gguf& gguf_;
  std::string file_;
  const GgufConfig& names_;
  ModelSource& source_;
  model::Config& config_;
  std::set<const formats::GgufTensor*> taken_;
  std::map<GgmlType, std::size_t> weights_of_type_;
  // In the order in which they were taken, which is that of gemvec.norm_weights.
  struct Norm {
    model::RawTensor* raw;
    const formats::GgufTensor* tensor;
  };
  std::vector<Norm> norms_;
};

}  // namespace

Result<ModelSource> read_gguf(const formats::Gguf& gguf, const fs::path& file, const OpenOptions& options) {
  GEMVEC_TRY(config, read_gguf_config(gguf, file.string()));
  ModelSource source;
  source.format = Format::kGguf;
  source.folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  source.tokenizer = file;
  source.config = config.config;
  source.notes = config.notes;
  GEMVEC_CHECK_OK(WeightReader(gguf, file.string(), config, source).read(options.allow_headless));
  return source;
}

Result<ModelSource> open_gguf(const fs::path& file, const OpenOptions& options) {
  GEMVEC_TRY(gguf, formats::Gguf::open(file));
  GEMVEC_TRY(source, read_gguf(gguf, file, options));
  source.files.push_back(gguf.release_file());
  source.weight_files.push_back(file);
  source.weight_bytes = source.files.back().bytes().size();
  return source;
}

}  // namespace gemvec::source
