// `gemvec quantize`: a model in one file, .gemvec or .gguf, and what its vectors are worth.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/commands/failure.h"
#include "cli/commands/info_file.h"
#include "cli/commands/model.h"
#include "cli/io/json_text.h"
#include "cli/io/text_reader.h"
#include "cli/terminal/bytes_progress.h"
#include "cli/terminal/format.h"
#include "cli/terminal/interrupt.h"
#include "gemvec/convert.h"
#include "gemvec/inspect.h"
#include "gemvec/quantize.h"

namespace gemvec::cli {

namespace {

struct QuantizeArguments {
  std::string output;
  std::string calibration_file, texts_file;
  bool force = false;
  bool json = false;
  ModelOptions model;
};

struct Report {
  QuantizeResult result;
  WeightGrid grid;
  std::vector<std::string> texts;
  AccuracyReport accuracy;  // if there are texts
};

std::vector<std::string> read_texts(const std::string& file) {
  std::vector<std::string> texts;
  if (file.empty()) return texts;
  TextReader reader({file}, {});
  for (TextRecord record; unwrap(reader.next(record));) texts.push_back(std::move(record.text));
  if (texts.empty()) throw Failure(kFailed, file + ": expected a text a line, found none.");
  return texts;
}

// GGUF's types, as the option spells them; gemvec's own are in lower case.
constexpr std::string_view kQ4Blocks = "Q4_0", kQ8Blocks = "Q8_0";

bool is_gguf_type(std::string_view dtype) { return dtype == kQ4Blocks || dtype == kQ8Blocks; }

// Beside the vectors of fp32 arithmetic over the model's own numbers. A GGUF file's are those of fp32
// arithmetic over its own, because what it is written for is other programs.
AccuracyReport measure(const QuantizeArguments& arguments, const std::filesystem::path& model,
                       const std::vector<std::string>& texts) {
  ModelOptions options = arguments.model;
  const bool is_gguf = is_gguf_type(arguments.model.dtype);
  if (is_gguf) options.dtype = name_of(DType::kFp32);  // of a folder's ONNX files, the one that was quantised
  options.no_cache = true;                             // 1.2 GB that nobody may ever ask for again
  options.exact = true;
  const Embedder exact = load_embedder(options, model);
  options.dtype.clear();
  options.exact = is_gguf;
  options.no_cache = is_gguf || arguments.model.no_cache;
  const Embedder quantized = load_embedder(options, arguments.output);
  EmbedOptions embed;
  embed.cancelled = interrupted;
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return unwrap(compare_accuracy(exact, quantized, views, embed));
}

std::string as_text(const Report& report) {
  std::string out = fmt::format("{}: {}\n", report.result.file.string(),
                                format_bytes(static_cast<double>(report.result.bytes)));
  if (!report.grid.type.empty()) out += describe_grid(report.grid) + "\n";
  if (report.texts.empty()) return out;
  auto to = std::back_inserter(out);
  fmt::format_to(to, "{:>10}{:>8}{:>14}{:>14}\n", "tokens to", "texts", "mean cosine", "lowest");
  for (const LengthAccuracy& row : report.accuracy.lengths) {
    fmt::format_to(to, "{:>10}{:>8}{:>14.6f}{:>14.6f}\n", row.max_tokens, row.texts, row.mean_cosine,
                   row.lowest_cosine);
  }
  if (report.accuracy.top10_overlap > 0)
    fmt::format_to(to, "overlap of the ten nearest: {:.4f}\n", report.accuracy.top10_overlap);
  out += "lowest cosines:\n";
  constexpr std::size_t kTextColumns = 60;
  for (const TextAccuracy& text : report.accuracy.worst) {
    fmt::format_to(to, "  {:.6f}  {:>5} tokens  {}\n", text.cosine, text.tokens,
                   one_line(report.texts[text.text], kTextColumns));
  }
  return out;
}

std::string as_json(const Report& report) {
  std::string out = "{\"file\":";
  append_string(out, report.result.file.string());
  auto to = std::back_inserter(out);
  fmt::format_to(to, ",\"bytes\":{}", report.result.bytes);
  append_grid(out, report.grid);
  if (!report.texts.empty()) {
    out += ",\"lengths\":[";
    std::string_view separator;
    for (const LengthAccuracy& row : report.accuracy.lengths) {
      fmt::format_to(to, R"({}{{"max_tokens":{},"texts":{},"mean_cosine":{},"lowest_cosine":{}}})", separator,
                     row.max_tokens, row.texts, row.mean_cosine, row.lowest_cosine);
      separator = ",";
    }
    fmt::format_to(to, "],\"top10_overlap\":{},\"worst\":[", report.accuracy.top10_overlap);
    separator = "";
    for (const TextAccuracy& text : report.accuracy.worst) {
      fmt::format_to(to, R"({}{{"index":{},"tokens":{},"cosine":{}}})", separator, text.text, text.tokens,
                     text.cosine);
      separator = ",";
    }
    out += ']';
  }
  return out + "}\n";
}

// Before anything is read: a GGUF file has GGUF's types and no others, and nothing in it is measured.
void check_usage(const QuantizeArguments& arguments) {
  const bool is_gguf = std::filesystem::path(arguments.output).extension() == ".gguf";
  const std::string& dtype = arguments.model.dtype;
  if (is_gguf && !is_gguf_type(dtype)) {
    throw Failure(kWrongUsage, fmt::format("{}: expected --dtype {} or {}, the types of a GGUF file.",
                                           arguments.output, kQ4Blocks, kQ8Blocks));
  }
  if (!is_gguf && is_gguf_type(dtype)) {
    throw Failure(kWrongUsage,
                  fmt::format("{}: expected a name that ends in .gguf: {} is a type of GGUF files.",
                              arguments.output, dtype));
  }
  if (is_gguf && !arguments.calibration_file.empty()) {
    throw Failure(kWrongUsage,
                  fmt::format("--calibration {}: {} has nothing that texts could be measured for.",
                              arguments.calibration_file, dtype));
  }
}

QuantizeResult write_gguf(const QuantizeArguments& arguments, const std::filesystem::path& model) {
  BytesProgress progress;
  ConvertOptions options;
  options.model = model;
  options.output = arguments.output;
  options.target = ConvertTarget::kGguf;
  options.numbers = arguments.model.dtype == kQ4Blocks ? ConvertNumbers::kQ4 : ConvertNumbers::kQ8;
  options.overwrite = arguments.force;
  options.allow_headless = arguments.model.allow_headless;
  options.threads = arguments.model.threads;
  options.cancelled = interrupted;
  options.progress = [&](const ConvertProgress& now) {
    progress.draw(std::string(now.stage), now.done, now.total);
  };
  const ConvertReport report = unwrap(convert_model(options));
  progress.clear();
  for (const std::string& note : report.notes) spdlog::warn("{}", note);
  return {report.output, report.bytes};
}

QuantizeResult write_packed(const QuantizeArguments& arguments, const std::filesystem::path& model,
                            std::span<const std::string> calibration) {
  QuantizeOptions options;
  options.model = model;
  options.output = arguments.output;
  options.dtype = unwrap_usage(parse_dtype(arguments.model.dtype));
  options.calibration = calibration;
  options.overwrite = arguments.force;
  options.allow_headless = arguments.model.allow_headless;
  options.threads = arguments.model.threads;
  BytesProgress progress;
  options.progress = [&](const LoadProgress& now) {
    progress.draw(std::string(now.stage), now.done, now.total);
  };
  QuantizeResult result = unwrap(quantize_model(options));
  progress.clear();
  return result;
}

int quantize(QuantizeArguments arguments) {
  if (arguments.model.dtype.empty()) {
    const bool is_gguf = std::filesystem::path(arguments.output).extension() == ".gguf";
    arguments.model.dtype = is_gguf ? kQ8Blocks : name_of(DType::kQ8);
  }
  check_usage(arguments);
  Report report;
  report.texts = read_texts(arguments.texts_file);
  const std::vector<std::string> calibration = read_texts(arguments.calibration_file);
  const std::filesystem::path model = locate_model(arguments.model);
  const bool to_gguf = is_gguf_type(arguments.model.dtype);
  report.result = to_gguf ? write_gguf(arguments, model) : write_packed(arguments, model, calibration);
  report.grid = unwrap(inspect_model(model, to_gguf ? "fp32" : arguments.model.dtype)).grid;
  if (!report.texts.empty()) report.accuracy = measure(arguments, model, report.texts);
  print(arguments.json ? as_json(report) : as_text(report));
  return kDone;
}

}  // namespace

void add_quantize(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("quantize", "Write a model as one file of smaller weights");
  auto arguments = std::make_shared<QuantizeArguments>();
  command.add_option("OUTPUT", arguments->output, "The file: NAME.gemvec or NAME.gguf")
      ->type_name(" ")
      ->required();
  command
      .add_option("--dtype", arguments->model.dtype,
                  ".gemvec: bf16, q8 (default), q4, mixed; .gguf: Q8_0 (default), Q4_0")
      ->type_name("D")
      ->check(CLI::IsMember({"bf16", "q8", "q4", "mixed", "Q8_0", "Q4_0"}));
  command
      .add_option("--texts", arguments->texts_file,
                  "Report cosines to the exact vectors for this file's texts, one a line")
      ->type_name("FILE");
  command
      .add_option("--calibration", arguments->calibration_file,
                  "Measure what layers read over these texts too, one a line, prompts included")
      ->type_name("FILE");
  command.add_flag("--force", arguments->force, "Replace OUTPUT if it exists");
  command.add_flag("--json", arguments->json, "Print one JSON object");
  add_model_option(command, arguments->model);
  command.add_flag("--allow-headless", arguments->model.allow_headless,
                   "Take a file without the dense layers: not the release's vectors");
  add_threads_option(command, arguments->model);
  command.footer(
      "OUTPUT needs nothing else: give it as --model. A .gguf file is for other programs too. Weights that\n"
      "were trained to sit on a grid of Q4_0 or Q8_0 are recognised, and it is said what that type keeps.\n\n"
      "Example:\n"
      "  gemvec quantize --dtype q4 q4.gemvec");
  command.callback([arguments, &action] { action = [arguments] { return quantize(*arguments); }; });
}

}  // namespace gemvec::cli
