#include "source/bundle_model.h"

#include <fmt/format.h>

#include <array>
#include <boost/json/serialize.hpp>
#include <memory>
#include <string_view>
#include <utility>

#include "base/try.h"
#include "source/json_fields.h"
#include "source/model_config.h"
#include "tokenizer/internals.h"
#include "tokenizer/packed_tables.h"

namespace gemvec::source {

namespace {

using formats::BundlePart;
using model::WeightType;

// The sets that stand alone.
constexpr std::array kTypes = {WeightType::kBf16Whole, WeightType::kQ8Whole, WeightType::kQ4,
                               WeightType::kMixed};

Result<WeightType> read_type(const JsonFields& fields) {
  GEMVEC_TRY(dtype, fields.text("dtype"));
  for (const WeightType type : kTypes) {
    if (dtype == model::name_of(type)) return type;
  }
  return fields.expected("dtype", "bf16, q8, q4 or mixed", ErrorCode::kUnsupported);
}

Status check_version(const std::filesystem::path& file, const formats::Bundle& bundle, BundlePart part,
                     std::string_view name, std::uint32_t expected) {
  const std::uint32_t found = bundle.section(part).version;
  if (found == expected) return {};
  return Error{
      ErrorCode::kUnsupported,
      fmt::format("{}: version of the {}: expected {}, found {}; make the file again with this gemvec.",
                  file.string(), name, expected, found)};
}

Status read_description(const std::filesystem::path& file, std::span<const std::byte> bytes,
                        ModelSource& source) {
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string name = file.string() + ": description";
  GEMVEC_TRY(fields, JsonFields::parse(json, name));
  GEMVEC_TRY(type, read_type(fields));
  source.packed_type = type;
  source.numbers = model::name_of(type);
  // Files of the first version may lack it.
  const boost::json::value* from_codes = fields.find("from_codes");
  source.quantized = from_codes != nullptr && from_codes->is_bool() && from_codes->get_bool();
  GEMVEC_TRY(config_json, fields.object("config"));
  GEMVEC_TRY(config, parse_model_config(boost::json::serialize(config_json.raw()), name));
  source.config = std::move(config.config);
  source.notes = std::move(config.notes);
  GEMVEC_TRY(dense, fields.whole_number("dense_width", 0, 1 << 20));
  source.config.dense_width = dense;
  GEMVEC_TRY(prompts, fields.object("sentence_transformers"));
  source.prompts_json = boost::json::serialize(prompts.raw());
  return {};
}

}  // namespace

Result<ModelSource> open_bundle(const std::filesystem::path& file) {
  GEMVEC_TRY(opened, formats::Bundle::open(file));
  return read_bundle(std::make_shared<const formats::Bundle>(std::move(opened)), file);
}

Result<ModelSource> read_bundle(std::shared_ptr<const formats::Bundle> bundle,
                                const std::filesystem::path& file) {
  GEMVEC_CHECK_OK(check_version(file, *bundle, BundlePart::kDescription, "description", kDescriptionVersion));
  GEMVEC_CHECK_OK(
      check_version(file, *bundle, BundlePart::kTokenizer, "tokenizer", tokenizer::kPackedTablesVersion));
  GEMVEC_CHECK_OK(check_version(file, *bundle, BundlePart::kWeights, "weights", kPackedWeightsVersion));
  GEMVEC_CHECK_OK(bundle->check(BundlePart::kDescription, nullptr));
  ModelSource source;
  source.format = Format::kGemvec;
  source.path = file;
  source.folder = file.parent_path();
  source.tokenizer = file;
  source.weight_files = {file};
  GEMVEC_CHECK_OK(read_description(file, bundle->bytes(BundlePart::kDescription), source));
  for (const BundlePart part : {BundlePart::kDescription, BundlePart::kTokenizer, BundlePart::kWeights})
    source.weight_bytes += bundle->section(part).bytes;
  const model::PackedLayout layout = model::PackedLayout::of(source.config, source.packed_type);
  const formats::BundleSection& weights = bundle->section(BundlePart::kWeights);
  if (weights.bytes != layout.bytes || weights.verified_bytes != layout.verified_bytes) {
    return Error{
        ErrorCode::kBadFormat,
        fmt::format("{}: weights: expected {} bytes, {} verified, found {}, {} verified.", file.string(),
                    layout.bytes, layout.verified_bytes, weights.bytes, weights.verified_bytes)};
  }
  source.bundle = std::move(bundle);
  return source;
}

Result<std::span<const std::byte>> bundle_weights(const ModelSource& source, base::ThreadPool& pool) {
  GEMVEC_CHECK_OK(source.bundle->check(BundlePart::kWeights, &pool));
  return source.bundle->bytes(BundlePart::kWeights);
}

Result<Tokenizer> bundle_tokenizer(const ModelSource& source) {
  GEMVEC_CHECK_OK(source.bundle->check(BundlePart::kTokenizer, nullptr));
  const auto bytes = source.bundle->bytes(BundlePart::kTokenizer);
  GEMVEC_TRY(tables, tokenizer::view_tables(bytes, source.path.string() + ": tokenizer"));
  return tokenizer::Internals::make(tables, source.bundle);
}

std::string describe_model(const ModelSource& source, WeightType type, boost::json::object prompts) {
  const boost::json::object description = {
      {"dtype", model::name_of(type)},
      {"made_from", fmt::format("{} {}", name_of(source.format), source.numbers)},
      {"from_codes", source.quantized},
      {"license", "Gemma Terms of Use, https://ai.google.dev/gemma/terms"},
      {"config", write_model_config(source.config)},
      {"dense_width", source.config.dense_width},
      {"sentence_transformers", std::move(prompts)},
  };
  return boost::json::serialize(description);
}

}  // namespace gemvec::source
