// `gemvec embed`: texts in, vectors out, in constant memory.
#include "cli/commands/embed.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/commands/embed_batch.h"
#include "cli/commands/embed_stats.h"
#include "cli/io/output_file.h"
#include "cli/io/record_writer.h"
#include "cli/io/text_reader.h"
#include "cli/terminal/format.h"
#include "cli/terminal/interrupt.h"
#include "cli/terminal/progress.h"

namespace gemvec::cli {

namespace {

// A batch ends when it has this many texts or bytes. Some 8,000 tokens: enough micro-batches that the
// kernels never starve, a few seconds of work at most that an interrupt throws away.
constexpr std::size_t kBatchTexts = 256;
constexpr std::size_t kBatchBytes = std::size_t{32} << 10;
// With one vector a token, the output of a batch is 768 floats for every few bytes: some 10 MB.
constexpr std::size_t kTokenBatchTexts = 16;
constexpr std::size_t kTokenBatchBytes = std::size_t{8} << 10;

OutputFormat output_format_of(const EmbedArguments& arguments) {
  if (arguments.output_format == "csv") return OutputFormat::kCsv;
  if (arguments.output_format == "npy") return OutputFormat::kNpy;
  if (arguments.output_format == "f32") return OutputFormat::kF32;
  return OutputFormat::kJsonl;
}

void check(const EmbedArguments& arguments) {
  const TextOptions& text = arguments.text;
  if (!arguments.ids) {
    PromptChoice::check(text);
    if (!is_model_named(arguments.model)) PromptChoice::check_task(text);
    return;
  }
  if (text.prompt || text.title || (text.task && *text.task != "none")) {
    throw Failure(kWrongUsage,
                  "Token ids are used exactly as given: with --ids there is no --task (but none), --title or "
                  "--prompt.");
  }
}

class EmbedJob {
 public:
  EmbedJob(const EmbedArguments& arguments, const std::filesystem::path& folder)
      : arguments_(arguments),
        per_token_(arguments.output == "tokens"),
        prompt_(arguments.text, folder),
        reader_(arguments.text.files, reader_options(arguments.text, prompt_, arguments.ids)),
        embedder_(load_embedder(arguments.model, folder)),
        batches_(embedder_, prompt_, settings()) {}

  int run() {
    const std::size_t width = per_token_ ? embedder_.info().width : arguments_.dim;
    writer_ = make_record_writer(unwrap(OutputFile::open(arguments_.output_path)),
                                 {output_format_of(arguments_), width, per_token_});
    if (arguments_.text.files.empty() && isatty(STDIN_FILENO) != 0) {
      spdlog::info("Reading texts from the terminal; Ctrl-D ends them.");
    }
    try {
      unwrap(writer_->begin());
      while (read_batch()) embed_batch();
      unwrap(writer_->finish());
    } catch (const Failure& failure) {
      progress_.clear();
      throw Failure(failure.exit_code(), stop(failure));
    }
    progress_.clear();
    if (progress_.enabled() || arguments_.stats) spdlog::info("{}", stats_.summary());
    stats_.warn(arguments_.text.max_tokens);
    return kDone;
  }

 private:
  [[nodiscard]] BatchEmbedder::Settings settings() const {
    BatchEmbedder::Settings settings;
    settings.embed.dim = arguments_.dim;
    settings.embed.normalize = !arguments_.no_normalize;
    settings.embed.truncate = truncate_of(arguments_.text);
    settings.embed.max_tokens = arguments_.text.max_tokens;
    settings.embed.control_text = control_text_of(arguments_.text);
    settings.embed.cancelled = interrupted;
    settings.ids = arguments_.ids;
    settings.per_token = per_token_;
    return settings;
  }

  // False when there is nothing left. Does not wait for more than one record: whoever writes a line
  // and waits for its vector gets it.
  bool read_batch() {
    const std::size_t max_texts = per_token_ ? kTokenBatchTexts : kBatchTexts;
    const std::size_t max_bytes = per_token_ ? kTokenBatchBytes : kBatchBytes;
    batch_.clear();
    for (std::size_t bytes = 0; batch_.size() < max_texts && bytes < max_bytes;) {
      if (!batch_.empty() && !reader_.ready()) break;
      TextRecord record;
      if (!unwrap(reader_.next(record))) break;
      bytes += record.text.size() + record.ids.size() * sizeof(std::int32_t);
      if (batches_.has_prompt_already(record)) stats_.add_double_prompt();
      batch_.push_back(std::move(record));
    }
    return !batch_.empty();
  }

  void embed_batch() {
    const BatchVectors vectors = unwrap(batches_.embed(batch_));
    for (std::size_t i = 0; i < batch_.size(); ++i) {
      const TextInfo& info = vectors.texts[i];
      unwrap(writer_->write({stats_.texts() + i, &batch_[i].id, info.tokens, info.truncated, vectors.of(i)}));
      if (interrupted()) throw Failure(interrupt_exit_code(), "Interrupted.");
    }
    stats_.add(vectors.texts);
    if (progress_.due()) progress_.draw(stats_.progress(reader_.bytes_done(), reader_.bytes_total()));
  }

  // Leaves whole records, and says how many of them are where.
  std::string stop(const Failure& failure) {
    std::string message = interrupted() ? "Interrupted." : failure.what();
    if (auto status = writer_->stop(); !status.ok()) message += " " + status.error().message;
    const bool partial = writer_->output_name().ends_with(".part");
    message +=
        fmt::format(" {} written to {}{}.", plural(writer_->records(), "whole record"),
                    writer_->output_name(), partial ? ", which gets its name only when it is complete" : "");
    return message;
  }

  const EmbedArguments& arguments_;
  bool per_token_;
  PromptChoice prompt_;
  TextReader reader_;
  Embedder embedder_;
  BatchEmbedder batches_;
  std::unique_ptr<RecordWriter> writer_;
  std::vector<TextRecord> batch_;
  EmbedStats stats_;
  ProgressLine progress_;
};

int embed(const EmbedArguments& arguments) {
  check(arguments);
  return EmbedJob(arguments, locate_model(arguments.model)).run();
}

void add_output_options(CLI::App& command, EmbedArguments& arguments) {
  command.add_option("--dim", arguments.dim, "Dimensions (default 768)")
      ->type_name("N")
      ->check(CLI::IsMember(kTrainedDims));
  command.add_flag("--no-normalize", arguments.no_normalize, "The head's raw output, not of unit length");
  command.add_option("--output", arguments.output, "A vector a text (default), or one of 768 a token")
      ->type_name("WHAT")
      ->check(CLI::IsMember({"text", "tokens"}));
  command.add_option("--output-format", arguments.output_format, "What the output is (default jsonl)")
      ->type_name("F")
      ->check(CLI::IsMember({"jsonl", "csv", "npy", "f32"}));
  command
      .add_option("-o", arguments.output_path, "Output file, complete or not there (default standard output)")
      ->type_name("FILE");
  command.add_flag("--stats", arguments.stats, "Say at the end how many tokens/s it ran at");
}

}  // namespace

void add_embed(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("embed", "Turn texts into vectors");
  auto arguments = std::make_shared<EmbedArguments>();
  add_prompt_options(command, arguments->text);
  add_input_options(command, arguments->text);
  command.add_flag("--ids", arguments->ids, "The input holds token ids: numbers in a line, or a JSON array");
  add_length_options(command, arguments->text, 2);
  add_output_options(command, *arguments);
  add_model_option(command, arguments->model);
  add_compute_options(command, arguments->model);
  command.footer(
      wrapped("Tasks: " + task_names(PromptSet::builtin()), kHelpColumns) +
      ".\n\n"
      "Example:\n"
      "  printf 'Mars is red.\\nVenus is hot.\\n' | gemvec embed --task retrieval-document > vectors.jsonl\n"
      "  printf 'Mars is red.\\n' | gemvec embed --task clustering --dim 256 --output-format npy -o "
      "mars.npy");
  command.callback([arguments, &action] { action = [arguments] { return embed(*arguments); }; });
}

}  // namespace gemvec::cli
