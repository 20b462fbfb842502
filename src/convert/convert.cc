// The public API: what may be converted to what, and where to.
#include "gemvec/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/quote.h"
#include "base/try.h"
#include "convert/job.h"
#include "convert/output.h"
#include "convert/targets.h"
#include "source/model_source.h"

namespace gemvec {

namespace {

namespace fs = std::filesystem;

struct NumberName {
  ConvertTarget target;
  std::string_view name;
  ConvertNumbers numbers;
  bool is_alias = false;
};
constexpr NumberName kNumbers[] = {
    {ConvertTarget::kSafetensors, "fp32", ConvertNumbers::kFp32},
    {ConvertTarget::kSafetensors, "bf16", ConvertNumbers::kBf16},
    {ConvertTarget::kGguf, "fp32", ConvertNumbers::kFp32},
    {ConvertTarget::kGguf, "bf16", ConvertNumbers::kBf16},
    {ConvertTarget::kGguf, "q8_0", ConvertNumbers::kQ8},
    {ConvertTarget::kGguf, "q4_0", ConvertNumbers::kQ4},
    {ConvertTarget::kGguf, "q8", ConvertNumbers::kQ8, true},
    {ConvertTarget::kGguf, "q4", ConvertNumbers::kQ4, true},
    {ConvertTarget::kOnnx, "fp32", ConvertNumbers::kFp32},
    {ConvertTarget::kOnnx, "q8", ConvertNumbers::kQ8},
    {ConvertTarget::kOnnx, "q4", ConvertNumbers::kQ4},
};

std::string names_of(ConvertTarget target) {
  std::string names;
  for (const NumberName& known : kNumbers) {
    if (known.target != target || known.is_alias) continue;
    names += (names.empty() ? "" : ", ") + std::string(known.name);
  }
  return names;
}

Error no_such_numbers(std::string_view name, ConvertTarget target) {
  return {ErrorCode::kInvalidArgument, fmt::format("numbers {}: expected one of {}, which {} files can have.",
                                                   base::quote(name), names_of(target), name_of(target))};
}

bool same_place(const fs::path& a, const fs::path& b) {
  std::error_code error;
  const bool same = fs::equivalent(a, b, error);
  return same && !error;
}

// Is `path` inside `folder`, or the folder itself?
bool lies_in(const fs::path& path, const fs::path& folder) {
  std::error_code error;
  const fs::path inner = fs::weakly_canonical(path, error);
  if (error) return false;
  const fs::path outer = fs::weakly_canonical(folder, error);
  if (error) return false;
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

// "models/out/" is models/out: its name, and the folder above it.
fs::path without_slash(const fs::path& path) {
  const fs::path plain = path.lexically_normal();
  return plain.has_filename() ? plain : plain.parent_path();
}

Error refused(const fs::path& output, std::string_view problem) {
  return {ErrorCode::kInvalidArgument, fmt::format("{}: {}", output.string(), problem)};
}

// Before the source is looked at: whether anything may be put there at all.
Status check_output(const ConvertOptions& options, const fs::path& output) {
  if (output.empty() || output == "." || output == "..") {
    return Error{ErrorCode::kInvalidArgument, "output: expected the name of a file or folder to be made."};
  }
  std::error_code error;
  const fs::path above = output.has_parent_path() ? output.parent_path() : fs::path(".");
  if (!fs::is_directory(above, error)) {
    return Error{ErrorCode::kNotFound, fmt::format("{}: expected a folder to put {} into, found none.",
                                                   above.string(), output.filename().string())};
  }
  const fs::file_status status = fs::status(output, error);
  if (status.type() == fs::file_type::not_found) return {};
  if (!options.overwrite) return refused(output, "exists already, and is replaced only by force.");
  const bool is_folder = status.type() == fs::file_type::directory;
  if (options.target == ConvertTarget::kGguf) {
    if (status.type() == fs::file_type::regular) return {};
    return refused(output, "expected a file to replace, found something else.");
  }
  if (is_folder && (fs::is_empty(output, error) || fs::exists(output / "config.json", error))) return {};
  return refused(output, "expected an empty folder or a model folder to replace, found something else.");
}

// The source must survive: it is read until the end, and is nobody's to delete.
Status check_apart(const ConvertOptions& options, const fs::path& output, const source::ModelSource& source) {
  if (same_place(output, source.path)) return refused(output, "expected another place than the model's own.");
  if (options.target == ConvertTarget::kGguf) {
    std::vector<fs::path> own = source.weight_files;
    own.push_back(source.tokenizer);
    own.push_back(source.folder / "config.json");
    for (const fs::path& path : own) {
      if (same_place(output, path))
        return refused(output, "expected another place than a file of the model.");
    }
    return {};
  }
  std::error_code error;
  const bool from_folder = fs::is_directory(source.path, error);
  if (from_folder && lies_in(output, source.path)) {
    return refused(output, "expected a place outside the model's own folder.");
  }
  if (lies_in(source.path, output)) return refused(output, "expected a folder that does not hold the model.");
  return {};
}

Result<convert::Written> write(convert::Job& job, const fs::path& output) {
  if (job.options().target == ConvertTarget::kGguf) return convert::write_gguf(job, output);
  GEMVEC_TRY(folder, convert::StagedFolder::create(output));
  auto written = job.options().target == ConvertTarget::kOnnx ? convert::write_onnx(job, folder)
                                                              : convert::write_safetensors(job, folder);
  if (!written.ok()) return written;
  GEMVEC_CHECK_OK(folder.commit(job.options().overwrite));
  return written;
}

Result<ConvertReport> run_conversion(const ConvertOptions& options) {
  const bool known = std::any_of(std::begin(kNumbers), std::end(kNumbers), [&](const NumberName& number) {
    return number.target == options.target && number.numbers == options.numbers;
  });
  if (!known) return no_such_numbers(name_of(options.numbers, options.target), options.target);
  const fs::path output = without_slash(options.output);
  GEMVEC_CHECK_OK(check_output(options, output));
  GEMVEC_TRY(source,
             source::open_model(options.model, {.dtype = "fp32", .allow_headless = options.allow_headless}));
  GEMVEC_CHECK_OK(check_apart(options, output, source));
  convert::Job job(options, source);
  GEMVEC_TRY(written, write(job, output));
  ConvertReport report;
  report.output = output;
  report.source_format = source::name_of(source.format);
  report.source_numbers = source.numbers;
  report.bytes = convert::bytes_below(output);
  report.tensors = written.tensors;
  report.notes = std::move(source.notes);
  report.notes.insert(report.notes.end(), written.notes.begin(), written.notes.end());
  return report;
}

}  // namespace

namespace convert {

std::string_view model_name(const model::Config& config) {
  const model::Config release;
  const bool same = config.layers == release.layers && config.width == release.width &&
                    config.vocab == release.vocab && config.ffn == release.ffn;
  return same ? "EmbeddingGemma 300M" : "EmbeddingGemma";
}

}  // namespace convert

Result<ConvertReport> convert_model(const ConvertOptions& options) {
  try {
    return run_conversion(options);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kIo, "Out of memory while converting " + options.model.string() + "."};
  } catch (const std::system_error& error) {  // threads that could not be started
    return Error{ErrorCode::kIo, std::string("Cannot convert: ") + error.what() + "."};
  }
}

Result<ConvertTarget> parse_convert_target(std::string_view name) {
  for (const auto target : {ConvertTarget::kSafetensors, ConvertTarget::kGguf, ConvertTarget::kOnnx}) {
    if (name == name_of(target)) return target;
  }
  return Error{ErrorCode::kInvalidArgument,
               "target " + base::quote(name) + ": expected safetensors, gguf or onnx."};
}

Result<ConvertNumbers> parse_convert_numbers(std::string_view name, ConvertTarget target) {
  std::string lower(name);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const NumberName& known : kNumbers) {
    if (known.target == target && known.name == lower) return known.numbers;
  }
  return no_such_numbers(name, target);
}

std::string_view name_of(ConvertTarget target) {
  switch (target) {
    case ConvertTarget::kSafetensors:
      return "safetensors";
    case ConvertTarget::kGguf:
      return "gguf";
    case ConvertTarget::kOnnx:
      return "onnx";
  }
  return "";
}

std::string_view name_of(ConvertNumbers numbers, ConvertTarget target) {
  const bool gguf = target == ConvertTarget::kGguf;
  switch (numbers) {
    case ConvertNumbers::kFp32:
      return "fp32";
    case ConvertNumbers::kBf16:
      return "bf16";
    case ConvertNumbers::kQ8:
      return gguf ? "q8_0" : "q8";
    case ConvertNumbers::kQ4:
      return gguf ? "q4_0" : "q4";
  }
  return "";
}

}  // namespace gemvec
