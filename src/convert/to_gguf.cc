// One GGUF file: the configuration, the tokenizer, the weights.
#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/try.h"
#include "convert/model_files.h"
#include "convert/targets.h"
#include "convert/tensors.h"
#include "convert/vocabulary.h"
#include "formats/ggml_blocks.h"
#include "formats/gguf_writer.h"
#include "source/formats.h"
#include "tokenizer/internals.h"

namespace gemvec::convert {

namespace {

namespace fs = std::filesystem;
using formats::GgmlType;
using formats::GgufWriter;

constexpr std::string_view kArchitecture = "gemma-embedding";
constexpr std::uint32_t kPoolingMean = 1;
constexpr std::uint32_t kQuantizationVersion = 2;  // of the block formats, since May 2023

struct Types {
  GgmlType table, linear;
  std::uint32_t file_type;  // llama.cpp's name for the mixture
};

// In a Q4_0 file the table is Q8_0, as in the published ones: a row is the whole of what a token brings, and
// no sum over many numbers evens its errors out.
Types types_of(ConvertNumbers numbers) {
  switch (numbers) {
    case ConvertNumbers::kFp32:
      return {GgmlType::kF32, GgmlType::kF32, 0};
    case ConvertNumbers::kBf16:
      return {GgmlType::kBf16, GgmlType::kBf16, 32};
    case ConvertNumbers::kQ8:
      return {GgmlType::kQ8_0, GgmlType::kQ8_0, 7};
    case ConvertNumbers::kQ4:
      return {GgmlType::kQ8_0, GgmlType::kQ4_0, 2};
  }
  return {GgmlType::kF32, GgmlType::kF32, 0};
}

GgmlType type_of(const SourceTensor& tensor, const Types& types) {
  if (tensor.role == Role::kNorm) return GgmlType::kF32;
  return tensor.role == Role::kTable ? types.table : types.linear;
}

RowEncoding rows_of(const SourceTensor& tensor, GgmlType type) {
  const std::size_t cols = tensor.raw->cols;
  if (type == GgmlType::kF32) return fp32_rows(cols);
  if (type == GgmlType::kBf16) return bf16_rows(cols);
  // A block's scale is fp16: the largest number of a block, divided by the largest code.
  constexpr float kLargestFp16 = 65504;
  const float limit = kLargestFp16 * (type == GgmlType::kQ8_0 ? 127.0F : 8.0F);
  return {.bytes = formats::ggml_row_bytes(type, cols),
          .limit = limit,
          .encode = [type, cols](std::size_t, const float* x, std::byte* out) {
            formats::ggml_encode_row(type, x, cols, out);
          }};
}

// What the format has no key for. llama.cpp takes the head's width for the scale of the logits.
Status check_config(const source::ModelSource& source) {
  const model::Config& config = source.config;
  const auto usual = static_cast<float>(1 / std::sqrt(static_cast<double>(config.head_dim)));
  if (config.query_scale == usual) return {};
  const double scalar =
      1 / (static_cast<double>(config.query_scale) * static_cast<double>(config.query_scale));
  return Error{
      ErrorCode::kUnsupported,
      fmt::format("{}: query_pre_attn_scalar: expected {}, the width of a head, found {:.6g}: a GGUF "
                  "file cannot say anything else.",
                  source.path.string(), config.head_dim, scalar)};
}

// The smallest n such that every n-th layer is a full one and no other is; 0 if there is none. 6 goes first:
// it is what readers take where the key is absent.
std::uint32_t sliding_pattern(const std::vector<bool>& full_attention) {
  const auto fits = [&](std::size_t n) {
    for (std::size_t layer = 0; layer < full_attention.size(); ++layer) {
      if (full_attention[layer] != (layer % n == n - 1)) return false;
    }
    return true;
  };
  constexpr std::size_t kUsual = 6;
  if (fits(kUsual)) return kUsual;
  for (std::size_t n = 1; n <= full_attention.size() + 1; ++n) {
    if (fits(n)) return static_cast<std::uint32_t>(n);
  }
  return 0;
}

std::string key(std::string_view name) { return fmt::format("{}.{}", kArchitecture, name); }

void add_config(GgufWriter& writer, const model::Config& config) {
  const auto number = [&](std::string_view name, std::size_t value) {
    writer.add_u32(key(name), static_cast<std::uint32_t>(value));
  };
  number("context_length", config.max_tokens);
  number("embedding_length", config.width);
  number("block_count", config.layers);
  number("feed_forward_length", config.ffn);
  number("vocab_size", config.vocab);
  number("attention.head_count", config.heads);
  number("attention.head_count_kv", 1);
  number("attention.key_length", config.head_dim);
  number("attention.value_length", config.head_dim);
  writer.add_f32(key("attention.layer_norm_rms_epsilon"), config.eps);
  number("attention.sliding_window", 2 * config.window);
  if (const std::uint32_t pattern = sliding_pattern(config.full_attention); pattern != 0) {
    number("attention.sliding_window_pattern", pattern);
  } else {
    std::vector<std::uint8_t> sliding;
    for (const bool full : config.full_attention) sliding.push_back(full ? 0 : 1);
    writer.add_bools(key("attention.sliding_window_pattern"), sliding);
  }
  writer.add_f32(key("rope.freq_base"), static_cast<float>(config.rope_theta_full));
  writer.add_f32(key("rope.freq_base_swa"), static_cast<float>(config.rope_theta_sliding));
  number("pooling_type", kPoolingMean);
  if (config.dense_width == 0) return;
  number("dense_2_feat_in", config.width);
  number("dense_2_feat_out", config.dense_width);
  number("dense_3_feat_in", config.dense_width);
  number("dense_3_feat_out", config.width);
}

Status add_tokenizer(GgufWriter& writer, const source::ModelSource& source, std::vector<std::string>& notes) {
  GEMVEC_TRY(tokenizer, source::read_tokenizer(source.tokenizer));
  const tokenizer::Tables& tables = tokenizer::Internals::tables(tokenizer);
  if (tables.vocab_size() > source.config.vocab) {
    return Error{ErrorCode::kBadFormat,
                 fmt::format("{}: expected at most {} pieces, the rows of the embedding table, found {}.",
                             source.tokenizer.string(), source.config.vocab, tables.vocab_size())};
  }
  if (const std::size_t pairs = merges_not_in_scores(tables); pairs != 0) {
    notes.push_back(
        fmt::format("{}: {} pairs of pieces have no place in a GGUF file's scores: some texts will have "
                    "other tokens.",
                    source.tokenizer.string(), pairs));
  }
  const GgufVocabulary vocabulary = gguf_vocabulary(tables, source.config.vocab);
  writer.add_text("tokenizer.ggml.model", "llama");
  writer.add_text("tokenizer.ggml.pre", "default");
  writer.add_texts("tokenizer.ggml.tokens", vocabulary.tokens);
  writer.add_f32s("tokenizer.ggml.scores", vocabulary.scores);
  writer.add_i32s("tokenizer.ggml.token_type", vocabulary.types);
  const auto id = [&](std::string_view name, std::size_t value) {
    writer.add_u32(fmt::format("tokenizer.ggml.{}_token_id", name), static_cast<std::uint32_t>(value));
  };
  id("bos", static_cast<std::size_t>(tables.bos));
  id("eos", static_cast<std::size_t>(tables.eos));
  id("padding", static_cast<std::size_t>(tables.pad));
  for (std::size_t i = 0; i < vocabulary.types.size(); ++i) {
    if (vocabulary.types[i] == static_cast<std::int32_t>(TokenType::kUnknown)) id("unknown", i);
  }
  writer.add_bool("tokenizer.ggml.add_bos_token", true);
  writer.add_bool("tokenizer.ggml.add_eos_token", true);
  writer.add_bool("tokenizer.ggml.add_space_prefix", false);
  return {};
}

// The norms' w: the tensors have 1 + w, as llama.cpp wants it, and from that w cannot be had again to the
// bit. Not of a source that has 1 + w itself: then that is what the file means.
Status add_norm_weights(GgufWriter& writer, const source::ModelSource& source,
                        const std::vector<SourceTensor>& tensors) {
  std::vector<float> all;
  for (const SourceTensor& tensor : tensors) {
    if (tensor.role != Role::kNorm) continue;
    if (tensor.raw->one_added) return {};
    GEMVEC_TRY(weights, read_norm(tensor, source, NormForm::kWeight));
    all.insert(all.end(), weights.begin(), weights.end());
  }
  writer.add_f32s("gemvec.norm_weights", all);
  return {};
}

Result<GgufWriter> make_keys(const Job& job, const Types& types, const std::vector<SourceTensor>& tensors,
                             std::vector<std::string>& notes) {
  const source::ModelSource& source = job.source();
  GgufWriter writer;
  writer.add_text("general.architecture", kArchitecture);
  writer.add_text("general.type", "model");
  writer.add_text("general.name", model_name(source.config));
  writer.add_text("general.license", kLicence);
  writer.add_text("general.license.link", kLicenceLink);
  writer.add_u32("general.file_type", types.file_type);
  writer.add_u32("general.quantization_version", kQuantizationVersion);
  writer.add_u32("general.alignment", std::uint32_t{GgufWriter::kAlignment});
  add_config(writer, source.config);
  GEMVEC_CHECK_OK(add_tokenizer(writer, source, notes));
  GEMVEC_CHECK_OK(add_norm_weights(writer, source, tensors));
  GEMVEC_TRY(prompts, prompts_json(source));
  writer.add_text("gemvec.prompts", prompts);
  return writer;
}

Status write_norm(const SourceTensor& tensor, Job& job, OutputFile& out) {
  GEMVEC_TRY(numbers, read_norm(tensor, job.source(), NormForm::kOnePlusWeight));
  const auto bytes = std::as_bytes(std::span(numbers));
  GEMVEC_CHECK_OK(out.write(bytes));
  return job.advance(bytes.size());
}

}  // namespace

Result<Written> write_gguf(Job& job, const fs::path& path) {
  GEMVEC_CHECK_OK(check_config(job.source()));
  GEMVEC_CHECK_OK(job.begin("reading the tokenizer"));
  const Types types = types_of(job.options().numbers);
  const std::vector<SourceTensor> tensors = list_tensors(job.source());
  Written written{tensors.size(), {}};
  std::vector<std::uint64_t> offsets;
  std::string header;
  {
    GEMVEC_TRY(writer, make_keys(job, types, tensors, written.notes));
    for (const SourceTensor& tensor : tensors) {
      const GgmlType type = type_of(tensor, types);
      std::vector<std::uint64_t> shape = {tensor.raw->rows, tensor.raw->cols};
      if (tensor.role == Role::kNorm) shape.erase(shape.begin());
      offsets.push_back(
          writer.add_tensor(tensor.gguf_name, shape, type, tensor.raw->rows * rows_of(tensor, type).bytes));
    }
    job.expect(writer.data_bytes());
    header = writer.header();
  }
  GEMVEC_CHECK_OK(job.begin("writing " + job.options().output.filename().string()));
  GEMVEC_TRY(out, OutputFile::create(path));
  GEMVEC_CHECK_OK(out.write(header));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const SourceTensor& tensor = tensors[i];
    GEMVEC_CHECK_OK(out.pad_to(header.size() + offsets[i]));
    GEMVEC_CHECK_OK(tensor.role == Role::kNorm
                        ? write_norm(tensor, job, out)
                        : write_tensor(tensor, rows_of(tensor, type_of(tensor, types)), job, out));
  }
  // Readers expect the last tensor's padding too.
  constexpr std::uint64_t kAlignment = GgufWriter::kAlignment;
  GEMVEC_CHECK_OK(out.pad_to((out.position() + kAlignment - 1) / kAlignment * kAlignment));
  GEMVEC_CHECK_OK(out.commit());
  return written;
}

}  // namespace gemvec::convert
