// Options that `embed` and `tokenize` share.
#include "cli/commands/text_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <utility>

#include "cli/commands/failure.h"

namespace gemvec::cli {

namespace {

constexpr std::string_view kNoPrompt = "none";

}  // namespace

void add_input_options(CLI::App& command, TextOptions& options) {
  command.add_option("FILE", options.files, "Input files; standard input if there is none, or for -")
      ->type_name(" ");
  command
      .add_option("--input-format", options.input_format,
                  "What the input is (default lines; file: a text a file)")
      ->type_name("F")
      ->check(CLI::IsMember({"lines", "jsonl", "csv", "file"}));
  command.add_option("--field", options.field, "JSON member or CSV column with the text (default text)")
      ->type_name("NAME");
  command.add_option("--title-field", options.title_field, "The one with a document's title (default title)")
      ->type_name("NAME");
  command.add_option("--id-field", options.id_field, "The one carried through as the id (default id)")
      ->type_name("NAME");
}

void add_prompt_options(CLI::App& command, TextOptions& options) {
  command.add_option("--task", options.task, "What the vectors are for: retrieval-query, ..., or none")
      ->type_name("TASK");
  auto* title = command.add_option("--title", options.title, "Title of every document (retrieval-document)")
                    ->type_name("TITLE");
  command.add_option("--prompt", options.prompt, "Put this before every text instead of the task's prompt")
      ->type_name("TEXT")
      ->excludes(title);
}

void add_length_options(CLI::App& command, TextOptions& options, std::size_t min_tokens) {
  command.add_option("--truncate", options.truncate, "Where a text that is too long is cut (default right)")
      ->type_name("SIDE")
      ->check(CLI::IsMember({"right", "left", "error"}));
  command
      .add_option("--max-tokens", options.max_tokens,
                  min_tokens == 0 ? "Longest text, BOS and EOS included (default 2048, 0 = no limit)"
                                  : "Longest text, BOS and EOS included (default 2048)")
      ->type_name("N")
      ->check(min_tokens == 0 ? CLI::Validator(CLI::NonNegativeNumber).description("")
                              : CLI::Range(min_tokens, kMaxTokens).description("2-2048"));
  command
      .add_option("--control-text", options.control_text,
                  "What <bos> and the like mean in a text: a control id (parse, default) or characters")
      ->type_name("HOW")
      ->check(CLI::IsMember({"parse", "text"}));
}

InputFormat input_format_of(const TextOptions& options) {
  if (options.input_format == "jsonl") return InputFormat::kJsonl;
  if (options.input_format == "csv") return InputFormat::kCsv;
  if (options.input_format == "file") return InputFormat::kFile;
  return InputFormat::kLines;
}

Truncate truncate_of(const TextOptions& options) {
  if (options.truncate == "left") return Truncate::kLeft;
  if (options.truncate == "error") return Truncate::kError;
  return Truncate::kRight;
}

ControlText control_text_of(const TextOptions& options) {
  return options.control_text == "text" ? ControlText::kText : ControlText::kParse;
}

std::string task_names(const PromptSet& prompts) {
  return fmt::format("{}", fmt::join(prompts.names(), ", "));
}

void PromptChoice::check(const TextOptions& options) {
  if (!options.task && !options.prompt) {
    throw Failure(kWrongUsage,
                  fmt::format("--task is required: a forgotten prompt gives plausible but wrong neighbours. "
                              "The tasks are {}.",
                              task_names(PromptSet::builtin())));
  }
}

void PromptChoice::check_task(const TextOptions& options) {
  if (options.task) unwrap_usage(PromptSet::builtin().prefix(*options.task));
}

PromptChoice::PromptChoice(const TextOptions& options, const std::filesystem::path& folder)
    : prompts_(unwrap(PromptSet::from_model(folder))), task_(options.task.value_or(std::string(kNoPrompt))) {
  if (options.prompt) {
    unwrap_usage(prompts_.prefix(task_));
    prefix_ = *options.prompt;
    return;
  }
  prefix_ = unwrap_usage(options.title ? prompts_.prefix(task_, *options.title) : prompts_.prefix(task_));
  takes_titles_ = prompts_.prefix(task_, "title").ok();
}

std::string PromptChoice::prefix(const std::string& title) const {
  return unwrap(prompts_.prefix(task_, title));
}

ReaderOptions reader_options(const TextOptions& options, const PromptChoice& prompt, bool ids) {
  ReaderOptions reader;
  reader.format = input_format_of(options);
  reader.field = !options.field.empty() ? options.field : ids ? "ids" : "text";
  reader.id_field = options.id_field;
  reader.title_field = prompt.takes_titles() && !ids ? options.title_field : "";
  reader.ids = ids;
  return reader;
}

}  // namespace gemvec::cli
