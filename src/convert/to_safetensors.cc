// A model folder in the sentence-transformers layout.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/try.h"
#include "convert/model_files.h"
#include "convert/targets.h"
#include "convert/tensors.h"
#include "formats/safetensors_writer.h"

namespace gemvec::convert {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFile = "model.safetensors";

// The tensors of one file, by name in it, in the order of their names.
struct Weights {
  std::string path;       // below the folder
  std::string framework;  // as in the release: the dense layers' files say nothing
  std::vector<std::pair<std::string, SourceTensor>> tensors;
};

std::vector<Weights> split(const std::vector<SourceTensor>& tensors) {
  Weights transformer{std::string(kFile), "pt", {}};
  Weights dense2{"2_Dense/" + std::string(kFile), "", {}}, dense3{"3_Dense/" + std::string(kFile), "", {}};
  for (const SourceTensor& tensor : tensors) {
    if (tensor.role == Role::kDense2) {
      dense2.tensors.emplace_back("linear.weight", tensor);
    } else if (tensor.role == Role::kDense3) {
      dense3.tensors.emplace_back("linear.weight", tensor);
    } else {
      transformer.tensors.emplace_back(tensor.name, tensor);
    }
  }
  std::sort(transformer.tensors.begin(), transformer.tensors.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return {transformer, dense2, dense3};
}

RowEncoding rows_of(const SourceTensor& tensor, bool bf16) {
  return bf16 ? bf16_rows(tensor.raw->cols) : fp32_rows(tensor.raw->cols);
}

// One row of numbers that are in memory already.
Status write_norm(const SourceTensor& tensor, const RowEncoding& encoding, Job& job, OutputFile& out) {
  GEMVEC_TRY(numbers, read_norm(tensor, job.source(), NormForm::kWeight));
  SourceTensor norm = tensor;
  model::RawTensor raw;
  raw.rows = 1;
  raw.cols = numbers.size();
  raw.data = reinterpret_cast<const std::byte*>(numbers.data());
  norm.raw = &raw;
  return write_tensor(norm, encoding, job, out);
}

Status write_weights(const Weights& weights, bool bf16, Job& job, const fs::path& path) {
  std::vector<formats::SafetensorsEntry> entries;
  for (const auto& [name, tensor] : weights.tensors) {
    const model::RawTensor& raw = *tensor.raw;
    std::vector<std::uint64_t> shape = {raw.rows, raw.cols};
    if (tensor.role == Role::kNorm) shape.erase(shape.begin());
    entries.push_back(
        {name, bf16 ? "BF16" : "F32", std::move(shape), raw.rows * rows_of(tensor, bf16).bytes});
  }
  GEMVEC_TRY(out, OutputFile::create(path));
  GEMVEC_CHECK_OK(out.write(formats::safetensors_header(entries, weights.framework)));
  for (const auto& [name, tensor] : weights.tensors) {
    const RowEncoding encoding = rows_of(tensor, bf16);
    GEMVEC_CHECK_OK(tensor.role == Role::kNorm ? write_norm(tensor, encoding, job, out)
                                               : write_tensor(tensor, encoding, job, out));
  }
  return out.commit();
}

}  // namespace

Result<Written> write_safetensors(Job& job, const StagedFolder& folder) {
  const source::ModelSource& source = job.source();
  if (source.config.dense_width == 0) {
    return Error{
        ErrorCode::kUnsupported,
        source.path.string() +
            ": expected the two dense layers: a safetensors folder without them is no EmbeddingGemma."};
  }
  const bool bf16 = job.options().numbers == ConvertNumbers::kBf16;
  const std::vector<SourceTensor> tensors = list_tensors(source);
  std::uint64_t total = 0;
  for (const SourceTensor& tensor : tensors) total += tensor.raw->rows * rows_of(tensor, bf16).bytes;
  job.expect(total);
  GEMVEC_CHECK_OK(write_model_files(job, folder));
  for (const Weights& weights : split(tensors)) {
    GEMVEC_CHECK_OK(job.begin("writing " + weights.path));
    GEMVEC_CHECK_OK(write_weights(weights, bf16, job, folder.path() / weights.path));
  }
  return Written{tensors.size(), {}};
}

}  // namespace gemvec::convert
