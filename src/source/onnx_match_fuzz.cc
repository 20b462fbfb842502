// Any bytes as an ONNX file of a model with one layer: refused with a message, or understood, and then every
// row of every weight can be read.
//
// The seeds are such files, whose constants lie in another one: 64 KiB of zeros here.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "formats/onnx.h"
#include "source/onnx_constants.h"
#include "source/onnx_graph.h"
#include "source/onnx_match.h"

namespace {

using gemvec::model::RawTensor;
using gemvec::model::RowReader;

gemvec::Result<std::span<const std::byte>> data_file(std::string_view) {
  static const std::vector<std::byte> kData(1 << 16);
  return std::span<const std::byte>(kData);
}

gemvec::model::Config small_config() {
  gemvec::model::Config config;
  config.layers = 1;
  config.width = config.head_dim = config.ffn = config.dense_width = 32;
  config.heads = 2;
  config.vocab = 40;
  config.query_scale = 0.17677669F;  // 32^-0.5
  config.full_attention = {false};
  return config;
}

// Reads every number, so that one outside is seen.
void touch(const RawTensor& raw) {
  if (raw.rows == 0 || raw.cols == 0) std::abort();
  if (raw.reader != nullptr) {
    std::vector<float> row(raw.cols);
    for (std::size_t r = 0; r < raw.rows; ++r) raw.reader->read(r, row.data());
    return;
  }
  const std::size_t size = raw.type == gemvec::model::RawType::kF32 ? 4 : 2;
  unsigned sum = 0;
  for (std::size_t i = 0; i < raw.rows * raw.cols * size; ++i) sum += std::to_integer<unsigned>(raw.data[i]);
  if (sum == static_cast<unsigned>(-1)) std::abort();  // so that the reads are not optimised away
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const gemvec::model::Config kConfig = small_config();
  const auto model =
      gemvec::formats::OnnxModel::parse(std::as_bytes(std::span(data, size)), "fuzz", data_file);
  if (!model.ok()) return 0;
  const auto graph = gemvec::source::OnnxGraph::build(*model, "fuzz");
  if (!graph.ok()) return 0;
  const auto match = gemvec::source::match_onnx(*graph, kConfig);
  if (!match.ok()) {
    if (match.error().message.empty()) std::abort();
    return 0;
  }
  std::vector<std::unique_ptr<const RowReader>> readers;
  const auto touch_matrix = [&](const gemvec::source::OnnxMatrix& matrix) {
    touch(to_raw(matrix, model->storage(), readers));
  };
  touch_matrix(match->embedding.table);
  for (const auto& layer : match->layers) {
    for (const auto* linear : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down})
      touch_matrix(linear->weight);
    for (const auto* norm : {&layer.input_norm, &layer.q_norm, &layer.k_norm, &layer.post_attention_norm,
                             &layer.pre_ffn_norm, &layer.post_ffn_norm})
      touch(to_raw(norm->weight, model->storage(), readers));
  }
  touch(to_raw(match->final_norm.weight, model->storage(), readers));
  if (match->dense) {
    touch_matrix(match->dense->first.weight);
    touch_matrix(match->dense->second.weight);
  }
  return 0;
}
