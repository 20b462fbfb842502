// The model's computation as an ONNX graph, and which weights it wants where in its data file.
//
//   input_ids, attention_mask: int64 [batch, tokens]; padding on either side
//   last_hidden_state: float [batch, tokens, width], with the final norm
//   sentence_embedding: float [batch, width]: mean over the mask, the dense layers, unit length
//
// Every operator of the fp32 and q8 graphs is ONNX's own; q4 has MatMulNBits and GatherBlockQuantized of
// com.microsoft. Constants have the names of the safetensors release, so that a reader finds them by name or
// by what is done with them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "convert/tensors.h"
#include "formats/onnx_writer.h"
#include "gemvec/convert.h"
#include "source/model_source.h"

namespace gemvec::convert {

enum class Layout {
  kNorm,            // fp32 [size]: w, or 1 + w where the source has that
  kRows,            // fp32 [rows, cols]
  kTransposed,      // fp32 [cols, rows]: MatMul multiplies from the right
  kInt8Rows,        // int8 [rows, cols]
  kInt8Transposed,  // int8 [cols, rows]
  kInt4Rows,        // 4 bits [rows, cols]
  kScales,          // fp32: what quantising the tensor before it gave
  kCosFull,         // fp32 [max_tokens, head_dim / 2]
  kSinFull,
  kCosSliding,
  kSinSliding,
};

struct PlannedTensor {
  Layout layout = Layout::kRows;
  const SourceTensor* source = nullptr;  // nullptr of cosines and sines
  std::uint64_t offset = 0, bytes = 0;   // in the data file; in ascending order
};

struct OnnxPlan {
  formats::OnnxWriter graph;
  std::vector<PlannedTensor> tensors;
  std::vector<std::pair<std::string, std::int64_t>> operator_sets;
  std::int64_t ir_version = 0;
};

// `data_file` is the name of the file for the weights. `tensors` must outlive the plan.
// REQUIRES: numbers is kFp32, kQ8 or kQ4
OnnxPlan plan_onnx(const source::ModelSource& source, const std::vector<SourceTensor>& tensors,
                   ConvertNumbers numbers, std::string data_file);

}  // namespace gemvec::convert
