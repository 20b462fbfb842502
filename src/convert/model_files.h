// The small files of a model folder: taken from the source where it has them, else made from what is known.
#pragma once

#include <filesystem>
#include <string>

#include "convert/job.h"
#include "convert/output.h"
#include "gemvec/result.h"
#include "model/config.h"
#include "source/model_source.h"

namespace gemvec::convert {

// config.json of the output. The source's own, where it is a folder, with what a conversion changes in it:
//   dtype (or torch_dtype)   of a safetensors target, the numbers written
//   sliding_window           if opening the source repaired it
//   transformers.js_config   of an ONNX target: use_external_data_format
// If nothing has to change, it is the source's byte for byte. Of a GGUF file, it is made from the
// configuration. Errors: kNotFound, kIo, kBadFormat.
Result<std::string> make_config_json(const source::ModelSource& source, ConvertTarget target,
                                     ConvertNumbers numbers);

// All files but the weights, into a folder for the target.
// Errors: kNotFound, kIo, kBadFormat, kCancelled.
Status write_model_files(Job& job, const StagedFolder& folder);

// The prompts as a JSON object, name -> prefix: the source's, else the release's.
// Errors: kIo, kBadFormat.
Result<std::string> prompts_json(const source::ModelSource& source);

// Whether config.json and the like lie beside the source's weights.
bool has_model_folder(const source::ModelSource& source);

}  // namespace gemvec::convert
