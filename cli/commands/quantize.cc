// `gemvec quantize`: a model in one file, and what its vectors are worth.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/commands/failure.h"
#include "cli/commands/model.h"
#include "cli/io/json_text.h"
#include "cli/io/text_reader.h"
#include "cli/terminal/bytes_progress.h"
#include "cli/terminal/format.h"
#include "cli/terminal/interrupt.h"
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

// Beside the vectors of fp32 arithmetic over the model's own numbers.
AccuracyReport measure(const QuantizeArguments& arguments, const std::filesystem::path& model,
                       const std::vector<std::string>& texts) {
  ModelOptions options = arguments.model;
  options.dtype.clear();
  options.no_cache = true;  // 1.2 GB that nobody may ever ask for again
  options.exact = true;
  const Embedder exact = load_embedder(options, model);
  options.exact = false;
  options.no_cache = arguments.model.no_cache;
  const Embedder quantized = load_embedder(options, arguments.output);
  EmbedOptions embed;
  embed.cancelled = interrupted;
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return unwrap(compare_accuracy(exact, quantized, views, embed));
}

std::string as_text(const Report& report) {
  std::string out = fmt::format("{}: {}\n", report.result.file.string(),
                                format_bytes(static_cast<double>(report.result.bytes)));
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

int quantize(const QuantizeArguments& arguments) {
  Report report;
  report.texts = read_texts(arguments.texts_file);
  const std::vector<std::string> calibration = read_texts(arguments.calibration_file);
  const std::filesystem::path model = locate_model(arguments.model);
  QuantizeOptions options;
  options.model = model;
  options.output = arguments.output;
  options.dtype = unwrap_usage(parse_dtype(arguments.model.dtype.empty() ? "q8" : arguments.model.dtype));
  options.calibration = calibration;
  options.overwrite = arguments.force;
  options.allow_headless = arguments.model.allow_headless;
  options.threads = arguments.model.threads;
  BytesProgress progress;
  options.progress = [&](const LoadProgress& now) {
    progress.draw(std::string(now.stage), now.done, now.total);
  };
  report.result = unwrap(quantize_model(options));
  progress.clear();
  if (!report.texts.empty()) report.accuracy = measure(arguments, model, report.texts);
  print(arguments.json ? as_json(report) : as_text(report));
  return kDone;
}

}  // namespace

void add_quantize(CLI::App& app, Action& action) {
  CLI::App& command =
      *app.add_subcommand("quantize", "Write a model as one file of bf16, q8, q4 or mixed weights");
  auto arguments = std::make_shared<QuantizeArguments>();
  command.add_option("OUTPUT", arguments->output, "The file: NAME.gemvec")->type_name(" ")->required();
  command.add_option("--dtype", arguments->model.dtype, "Weights: bf16, q8, q4 or mixed (default q8)")
      ->type_name("D")
      ->check(CLI::IsMember({"bf16", "q8", "q4", "mixed"}));
  command
      .add_option("--texts", arguments->texts_file,
                  "Report cosines to the exact vectors for this file's texts, one a line")
      ->type_name("FILE");
  command
      .add_option("--calibration", arguments->calibration_file,
                  "Measure biases over these texts, one a line, prompts included (default: random tokens)")
      ->type_name("FILE");
  command.add_flag("--force", arguments->force, "Replace OUTPUT if it exists");
  command.add_flag("--json", arguments->json, "Print one JSON object");
  add_model_option(command, arguments->model);
  command.add_flag("--allow-headless", arguments->model.allow_headless,
                   "Take a file without the dense layers: not the release's vectors");
  add_threads_option(command, arguments->model);
  command.footer(
      "OUTPUT needs nothing else: give it as --model.\n\n"
      "Example:\n"
      "  gemvec quantize --dtype q4 q4.gemvec");
  command.callback([arguments, &action] { action = [arguments] { return quantize(*arguments); }; });
}

}  // namespace gemvec::cli
