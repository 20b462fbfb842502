// The model's task prompts. A text is embedded as prompt + text; a forgotten prompt is this model's
// commonest retrieval bug, so callers always say which one they mean, or "none".
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemvec/result.h"

namespace gemvec {

struct Prompt {
  std::string name;    // "retrieval-query"
  std::string prefix;  // "task: search result | query: "; placed before the text as it is
};

class PromptSet {
 public:
  // The card's task names and the 14 prompt names of config_sentence_transformers.json:
  //   retrieval-query, retrieval-document, question-answering, fact-verification, classification,
  //   clustering, semantic-similarity, code-retrieval, summarization, none;
  //   query, document, BitextMining, Clustering, Classification, InstructionRetrieval,
  //   MultilabelClassification, PairClassification, Reranking, Retrieval, Retrieval-query,
  //   Retrieval-document, STS, Summarization.
  static PromptSet builtin();
  // The built-in names, with those of the model's config_sentence_transformers.json (if it has one) added and
  // winning. `model` is a folder or a file, as LoadOptions::model. Errors: kIo, kBadFormat, kUnsupported.
  static Result<PromptSet> from_model(const std::filesystem::path& model);
  // The same from the text of a config_sentence_transformers.json. `name` stands for the file in messages.
  static Result<PromptSet> from_json(std::string_view json, std::string_view name);

  // The prefix for `task`. Case and the separators " ", "_" and "-" do not matter. `title` is for
  // retrieval-document only: it takes the place of "none" in "title: none | text: ", as it is, line
  // breaks included; an empty title leaves "none". Also understood: "search", "search result",
  // "fact checking", "similarity" and "sentence similarity".
  // Errors: kInvalidArgument (unknown task: the message lists the names; a title with another task).
  [[nodiscard]] Result<std::string> prefix(std::string_view task,
                                           std::optional<std::string_view> title = {}) const;

  // The names to show a person, in the order of all(): of those that prefix() takes for one, the first.
  // Views into this object.
  [[nodiscard]] std::vector<std::string_view> names() const;

  // All prompts, the card's task names first, in the order documented above.
  [[nodiscard]] const std::vector<Prompt>& all() const { return prompts_; }

 private:
  std::vector<Prompt> prompts_;
};

}  // namespace gemvec
