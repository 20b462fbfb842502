// Options that `embed` and `tokenize` share: which texts, under which prompt, and how long.
#pragma once

#include <CLI/App.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/io/text_reader.h"
#include "gemvec/prompts.h"
#include "gemvec/tokenizer.h"

namespace gemvec::cli {

struct TextOptions {
  std::vector<std::string> files;  // empty = standard input
  std::string input_format = "lines";
  std::string field;  // empty = "text", or "ids" with token ids
  std::string title_field = "title";
  std::string id_field = "id";

  std::optional<std::string> task, title, prompt;

  std::string truncate = "right";
  std::string control_text = "parse";
  std::size_t max_tokens = kMaxTokens;
};

void add_input_options(CLI::App& command, TextOptions& options);
void add_prompt_options(CLI::App& command, TextOptions& options);
void add_length_options(CLI::App& command, TextOptions& options, std::size_t min_tokens);

// Values that the parser has already checked.
InputFormat input_format_of(const TextOptions& options);
Truncate truncate_of(const TextOptions& options);
ControlText control_text_of(const TextOptions& options);

// "retrieval-query, retrieval-document, ..., none, ...", for messages.
std::string task_names(const PromptSet& prompts);

// What is put before each text.
class PromptChoice {
 public:
  // Throws Failure (wrong usage) for contradictory options.
  static void check(const TextOptions& options);
  // Throws Failure (wrong usage) if the built-in set has no such task. For a model that is still to be
  // downloaded: a slip should not cost a gigabyte.
  static void check_task(const TextOptions& options);
  // Throws Failure if `folder` has no such task.
  PromptChoice(const TextOptions& options, const std::filesystem::path& folder);

  // For a text without a title of its own.
  [[nodiscard]] const std::string& prefix() const { return prefix_; }
  // For a document with one. REQUIRES: takes_titles()
  [[nodiscard]] std::string prefix(const std::string& title) const;
  [[nodiscard]] bool takes_titles() const { return takes_titles_; }

 private:
  PromptSet prompts_;
  std::string task_;
  std::string prefix_;
  bool takes_titles_ = false;
};

ReaderOptions reader_options(const TextOptions& options, const PromptChoice& prompt, bool ids);

}  // namespace gemvec::cli
