// TensorProto -> OnnxTensor: where the bytes of one constant are, and that they are as many as they should
// be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "formats/onnx.h"
#include "gemvec/result.h"

namespace gemvec::formats {

// Bytes of tensors whose numbers are spelt out one by one in the file.
using OnnxStorage = std::deque<std::vector<std::byte>>;

// `file` stands for the file in messages. Throws protozero::exception when the message itself is damaged.
// Errors: kBadFormat, kUnsupported, those of data_files.
Result<OnnxTensor> parse_onnx_tensor(protozero::pbf_reader message, std::string_view file,
                                     const OnnxDataFiles& data_files, OnnxStorage& storage);

// "FILE: tensor "NAME": PROBLEM."
Error bad_onnx_tensor(std::string_view file, std::string_view tensor, const std::string& problem,
                      ErrorCode code = ErrorCode::kBadFormat);

// A name in a graph. Errors: kBadFormat when it is longer than any name need be.
Status check_onnx_name(std::string_view file, std::string_view name);

}  // namespace gemvec::formats
