// A model of any format to one file of packed weights.
#include "gemvec/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/object.hpp>
#include <memory>
#include <system_error>
#include <utility>

#include "base/json.h"
#include "base/thread_pool.h"
#include "base/try.h"
#include "cpu/isa.h"
#include "engine/weight_cache.h"
#include "kernels/table.h"
#include "model/weights.h"
#include "source/bundle_model.h"
#include "source/formats.h"
#include "source/model_source.h"
#include "tokenizer/internals.h"
#include "tokenizer/packed_tables.h"

namespace gemvec {

namespace {

using formats::BundleContent;
using formats::BundlePart;
using model::WeightType;

constexpr std::size_t kCalibrationTokens = 4096;

Result<WeightType> type_of(DType dtype) {
  switch (dtype) {
    case DType::kBf16:
      return WeightType::kBf16Whole;
    case DType::kQ8:
      return WeightType::kQ8Whole;
    case DType::kQ4:
      return WeightType::kQ4;
    case DType::kMixed:
      return WeightType::kMixed;
    case DType::kFp32:
      break;
  }
  return Error{ErrorCode::kInvalidArgument,
               "dtype fp32: expected bf16, q8, q4 or mixed; fp32 weights are the model itself."};
}

Status check_output(const QuantizeOptions& options) {
  if (options.output.extension() != ".gemvec") {
    return Error{ErrorCode::kInvalidArgument,
                 options.output.string() + ": expected a name that ends in .gemvec."};
  }
  std::error_code ignored;
  if (!options.overwrite && std::filesystem::exists(options.output, ignored)) {
    return Error{ErrorCode::kInvalidArgument, options.output.string() + ": exists already."};
  }
  return {};
}

Result<boost::json::object> read_prompts(const std::filesystem::path& model) {
  GEMVEC_TRY(text, source::read_prompts_json(model));
  if (text.empty()) return boost::json::object();
  GEMVEC_TRY(json, base::parse_json(text, model.string() + ": prompts"));
  if (!json.is_object())
    return Error{ErrorCode::kBadFormat, model.string() + ": prompts: expected an object."};
  return std::move(json.get_object());
}

// Texts to ids, until there are enough.
Result<model::CalibrationTexts> tokenize(std::span<const std::string> texts, const Tokenizer& tokenizer,
                                         const model::Config& config) {
  model::CalibrationTexts found;
  for (const std::string& text : texts) {
    if (found.ids.size() == kCalibrationTokens) break;
    TokenizeOptions options;
    options.max_tokens = config.max_tokens;
    GEMVEC_TRY(encoding, tokenizer.encode(text, options));
    const std::size_t room = kCalibrationTokens - found.ids.size();
    encoding.ids.resize(std::min(room, encoding.ids.size()));
    found.ids.insert(found.ids.end(), encoding.ids.begin(), encoding.ids.end());
    found.offsets.push_back(found.ids.size());
  }
  return found;
}

}  // namespace

Result<QuantizeResult> quantize_model(const QuantizeOptions& options) {
  GEMVEC_TRY(type, type_of(options.dtype));
  GEMVEC_CHECK_OK(check_output(options));
  GEMVEC_TRY(isa, cpu::select_isa());
  const kernels::KernelTable& kernels = kernels::kernel_table(isa);
  base::ThreadPool pool(options.threads == 0 ? base::usable_cores() : options.threads);
  GEMVEC_TRY(source, source::open_model(options.model, {.dtype = name_of(options.dtype),
                                                        .allow_headless = options.allow_headless}));
  if (source.bundle != nullptr) {
    return Error{ErrorCode::kInvalidArgument, options.model.string() +
                                                  ": has packed weights already; expected the model that it "
                                                  "was made from."};
  }
  GEMVEC_TRY(tokenizer, source::read_tokenizer(source.tokenizer));
  GEMVEC_TRY(prompts, read_prompts(options.model));
  GEMVEC_TRY(texts, tokenize(options.calibration, tokenizer, source.config));

  const std::string description = source::describe_model(source, type, std::move(prompts));
  const tokenizer::Tables& tables = tokenizer::Internals::tables(tokenizer);
  const std::uint64_t table_bytes = tokenizer::packed_bytes(tables);
  const model::PackedLayout layout = model::PackedLayout::of(source.config, type);
  const auto progress = [&](std::uint64_t done, std::uint64_t total) {
    if (options.progress) options.progress({.stage = "packing weights", .done = done, .total = total});
  };
  const std::array<BundleContent, 3> parts = {{
      {{BundlePart::kDescription, source::kDescriptionVersion, description.size(), description.size()},
       [&](std::span<std::byte> to) -> Status {
         std::copy_n(reinterpret_cast<const std::byte*>(description.data()), to.size(), to.begin());
         return {};
       }},
      {{BundlePart::kTokenizer, tokenizer::kPackedTablesVersion, table_bytes, table_bytes},
       [&](std::span<std::byte> to) -> Status {
         tokenizer::pack_tables(tables, to);
         return {};
       }},
      {{BundlePart::kWeights, source::kPackedWeightsVersion, layout.bytes, layout.verified_bytes},
       [&](std::span<std::byte> to) {
         return engine::of_model(source, model::pack_weights(source.config, source.weights, type,
                                                             engine::measuring_kernels(kernels), pool, to,
                                                             progress, texts.ids.empty() ? nullptr : &texts));
       }},
  }};
  GEMVEC_CHECK_OK(formats::write_bundle(options.output, parts, &pool));
  std::error_code error;
  const std::uint64_t bytes = std::filesystem::file_size(options.output, error);
  return QuantizeResult{options.output, error ? 0 : bytes};
}

}  // namespace gemvec
