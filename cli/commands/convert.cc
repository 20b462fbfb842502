// `gemvec convert`: the model as a file or folder of another format.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "cli/commands/commands.h"
#include "cli/commands/failure.h"
#include "cli/terminal/format.h"
#include "cli/terminal/interrupt.h"
#include "cli/terminal/progress.h"
#include "gemvec/convert.h"

namespace gemvec::cli {

namespace {

struct ConvertArguments {
  std::string model, output;
  std::string to;  // empty: guessed from `output`
  std::string numbers = "fp32";
  bool allow_headless = false, force = false;
  unsigned threads = 0;
};

// A name that ends in .gguf is a GGUF file; every other one is a folder, and safetensors are what a folder
// without further word is.
ConvertTarget target_of(const ConvertArguments& arguments) {
  const std::string extension = std::filesystem::path(arguments.output).extension().string();
  ConvertTarget target = extension == ".gguf" ? ConvertTarget::kGguf : ConvertTarget::kSafetensors;
  if (!arguments.to.empty()) target = unwrap_usage(parse_convert_target(arguments.to));
  const bool is_file = extension == ".onnx" || extension == ".safetensors" || extension == ".gguf";
  if (is_file && target != ConvertTarget::kGguf) {
    throw Failure(kWrongUsage,
                  fmt::format("{}: {} models are folders, with tokenizer and configuration: name a folder{}.",
                              arguments.output, extension == ".gguf" ? name_of(target) : extension.substr(1),
                              extension == ".onnx" ? ", with --to onnx" : ""));
  }
  return target;
}

int convert(const ConvertArguments& arguments) {
  ConvertOptions options;
  options.model = arguments.model;
  options.output = arguments.output;
  options.target = target_of(arguments);
  options.numbers = unwrap_usage(parse_convert_numbers(arguments.numbers, options.target));
  options.allow_headless = arguments.allow_headless;
  options.overwrite = arguments.force;
  options.threads = arguments.threads;
  options.cancelled = interrupted;
  ProgressLine line;
  options.progress = [&line](const ConvertProgress& progress) {
    if (!line.due()) return;
    std::string text(progress.stage);
    if (progress.total != 0) {
      text += fmt::format("  {} of {}", format_bytes(static_cast<double>(progress.done)),
                          format_bytes(static_cast<double>(progress.total)));
    }
    line.draw(text);
  };
  const ConvertReport report = unwrap(convert_model(options));
  line.clear();
  for (const std::string& note : report.notes) spdlog::warn("{}", note);
  spdlog::info("{} {} to {} {}: {}, {}.", report.source_format, report.source_numbers,
               name_of(options.target), name_of(options.numbers, options.target),
               plural(report.tensors, "tensor"), format_bytes(static_cast<double>(report.bytes)));
  print(report.output.string() + "\n");
  return kDone;
}

}  // namespace

void add_convert(CLI::App& app, Action& action) {
  constexpr unsigned kMaxThreads = 1024;  // more than any machine has; catches a slip of the finger
  CLI::App& command = *app.add_subcommand("convert", "Write a model as safetensors, GGUF or ONNX");
  auto arguments = std::make_shared<ConvertArguments>();
  command.add_option("MODEL", arguments->model, "Model folder, or .gguf or .onnx file")->required();
  command.add_option("OUTPUT", arguments->output, "File or folder to write; the folder above it must exist")
      ->required();
  command
      .add_option("--to", arguments->to,
                  "safetensors, gguf or onnx (default: gguf if OUTPUT ends so, else safetensors)")
      ->type_name("FORMAT");
  command
      .add_option("--numbers", arguments->numbers,
                  "fp32 (default); safetensors: bf16; gguf: bf16, q8_0, q4_0; onnx: q8, q4")
      ->type_name("N");
  command.add_flag("--force", arguments->force, "Replace OUTPUT if it is there already");
  command.add_flag("--allow-headless", arguments->allow_headless,
                   "Take a file without the dense layers: not the release's vectors");
  command.add_option("--threads", arguments->threads, "Threads (default: one a core)")
      ->type_name("N")
      ->check(CLI::Range(1U, kMaxThreads).description("1-1024"));
  command.footer(
      "safetensors: a model folder for gemvec and sentence-transformers. gguf: one file for llama.cpp and\n"
      "its like. onnx: a folder with onnx/model.onnx (q8: model_quantized.onnx, q4: model_q4.onnx), its "
      "data\n"
      "and the tokenizer, as ONNX Runtime and Transformers.js want it. fp32 loses nothing. OUTPUT appears "
      "only\n"
      "when it is whole, and its name is printed.\n\n"
      "Example:\n"
      "  gemvec convert \"$(gemvec pull)\" embeddinggemma-q8_0.gguf --numbers q8_0");
  command.callback([arguments, &action] { action = [arguments] { return convert(*arguments); }; });
}

}  // namespace gemvec::cli
