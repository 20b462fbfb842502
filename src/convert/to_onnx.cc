// A folder in the layout of the ONNX release: onnx/model.onnx, its data, and the tokenizer.
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/try.h"
#include "convert/model_files.h"
#include "convert/onnx_graph.h"
#include "convert/onnx_quantize.h"
#include "convert/targets.h"
#include "convert/tensors.h"
#include "gemvec/diagnostics.h"
#include "model/rope_tables.h"

namespace gemvec::convert {

namespace {

// As Transformers.js looks for it: model, the numbers' suffix, .onnx.
std::string file_name(ConvertNumbers numbers) {
  const char* suffix = numbers == ConvertNumbers::kQ8   ? "_quantized"
                       : numbers == ConvertNumbers::kQ4 ? "_q4"
                                                        : "";
  return std::string("model") + suffix + ".onnx";
}

// out[cols, rows] = in[rows, cols]
template <class T>
std::vector<std::byte> transposed(std::span<const std::byte> in, std::size_t rows, std::size_t cols) {
  std::vector<std::byte> out(in.size());
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t col = 0; col < cols; ++col) {
      std::memcpy(out.data() + (col * rows + row) * sizeof(T), in.data() + (row * cols + col) * sizeof(T),
                  sizeof(T));
    }
  }
  return out;
}

// Fills the data file, tensor after tensor.
class DataWriter {
 public:
  DataWriter(Job& job, OutputFile& out, const model::RopeTables& rope) : job_(job), out_(out), rope_(rope) {}

  Status write(const PlannedTensor& tensor) {
    GEMVEC_CHECK_OK(out_.pad_to(tensor.offset));
    switch (tensor.layout) {
      case Layout::kNorm:
        return write_norm(*tensor.source);
      case Layout::kRows:
        return write_tensor(*tensor.source, fp32_rows(tensor.source->raw->cols), job_, out_);
      case Layout::kTransposed:
        return write_transposed<float>(*tensor.source, fp32_rows(tensor.source->raw->cols));
      case Layout::kInt8Rows:
        return write_tensor(*tensor.source, int8_rows(*tensor.source->raw), job_, out_);
      case Layout::kInt8Transposed:
        return write_transposed<std::int8_t>(*tensor.source, int8_rows(*tensor.source->raw));
      case Layout::kInt4Rows:
        return write_tensor(*tensor.source, int4_rows(*tensor.source), job_, out_);
      case Layout::kScales:
        return write_floats(scales_);
      case Layout::kCosFull:
        return write_floats({rope_.full.cos, tensor.bytes / sizeof(float)});
      case Layout::kSinFull:
        return write_floats({rope_.full.sin, tensor.bytes / sizeof(float)});
      case Layout::kCosSliding:
        return write_floats({rope_.sliding.cos, tensor.bytes / sizeof(float)});
      case Layout::kSinSliding:
        return write_floats({rope_.sliding.sin, tensor.bytes / sizeof(float)});
    }
    return {};
  }

 private:
  Status write_bytes(std::span<const std::byte> bytes) {
    GEMVEC_CHECK_OK(out_.write(bytes));
    return job_.advance(bytes.size());
  }
  Status write_floats(std::span<const float> numbers) { return write_bytes(std::as_bytes(numbers)); }

  Status write_norm(const SourceTensor& tensor) {
    GEMVEC_TRY(numbers, read_norm(tensor, job_.source(),
                                  tensor.raw->one_added ? NormForm::kOnePlusWeight : NormForm::kWeight));
    return write_floats(numbers);
  }

  template <class T>
  Status write_transposed(const SourceTensor& tensor, const RowEncoding& encoding) {
    GEMVEC_TRY(rows, encode_tensor(tensor, encoding, job_));
    return write_bytes(transposed<T>(rows, tensor.raw->rows, tensor.raw->cols));
  }

  // Quantising leaves the scales behind, for the tensor that follows.
  RowEncoding int8_rows(const model::RawTensor& raw) {
    scales_.assign(raw.rows, 0);
    const std::size_t cols = raw.cols;
    return {.bytes = cols,
            .limit = fp32_rows(cols).limit,
            .encode = [this, cols](std::size_t row, const float* x, std::byte* out) {
              scales_[row] = quantize_int8(x, cols, reinterpret_cast<std::int8_t*>(out));
            }};
  }
  // GatherBlockQuantized has signed numbers without a zero point, MatMulNBits unsigned ones around 8: the
  // same four bits but for the highest.
  RowEncoding int4_rows(const SourceTensor& tensor) {
    const std::size_t cols = tensor.raw->cols, blocks = cols / kInt4Block;
    scales_.assign(tensor.raw->rows * blocks, 0);
    const std::byte flip{tensor.role == Role::kTable ? std::uint8_t{0x88} : std::uint8_t{0}};
    return {.bytes = cols / 2,
            .limit = fp32_rows(cols).limit,
            .encode = [this, cols, blocks, flip](std::size_t row, const float* x, std::byte* out) {
              quantize_int4(x, cols, out, scales_.data() + row * blocks);
              for (std::size_t i = 0; i < cols / 2; ++i) out[i] ^= flip;
            }};
  }

  Job& job_;
  OutputFile& out_;
  const model::RopeTables& rope_;
  std::vector<float> scales_;
};

}  // namespace

Result<Written> write_onnx(Job& job, const StagedFolder& folder) {
  const source::ModelSource& source = job.source();
  const ConvertNumbers numbers = job.options().numbers;
  const std::vector<SourceTensor> tensors = list_tensors(source);
  const std::string name = file_name(numbers), data_name = name + "_data";
  const OnnxPlan plan = plan_onnx(source, tensors, numbers, data_name);
  std::uint64_t total = 0;
  for (const PlannedTensor& tensor : plan.tensors) total += tensor.bytes;
  job.expect(total);
  GEMVEC_CHECK_OK(write_model_files(job, folder));
  GEMVEC_CHECK_OK(folder.create_folder("onnx"));

  GEMVEC_CHECK_OK(job.begin("writing onnx/" + data_name));
  GEMVEC_TRY(rope, model::RopeTables::create(source.config, job.pool()));
  GEMVEC_TRY(data, OutputFile::create(folder.path() / "onnx" / data_name));
  DataWriter writer(job, data, rope);
  for (const PlannedTensor& tensor : plan.tensors) GEMVEC_CHECK_OK(writer.write(tensor));
  GEMVEC_CHECK_OK(data.commit());

  GEMVEC_TRY(prompts, prompts_json(source));
  const std::string graph = plan.graph.serialize({.ir_version = plan.ir_version,
                                                  .operator_sets = plan.operator_sets,
                                                  .graph_name = std::string(model_name(source.config)),
                                                  .producer_version = version(),
                                                  .metadata = {{"license", std::string(kLicence)},
                                                               {"license_link", std::string(kLicenceLink)},
                                                               {"gemvec.prompts", prompts}}});
  GEMVEC_CHECK_OK(write_file(folder.path() / "onnx" / name, graph));
  return Written{tensors.size(), {}};
}

}  // namespace gemvec::convert
