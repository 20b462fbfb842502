#include "gemvec/prompts.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/quote.h"
#include "base/try.h"
#include "source/json_fields.h"
#include "source/model_source.h"

namespace gemvec {

namespace {

struct Named {
  std::string_view name, prefix;
};

constexpr std::string_view kSearch = "task: search result | query: ";
constexpr std::string_view kDocument = "title: none | text: ";
constexpr std::string_view kClassification = "task: classification | query: ";
constexpr std::string_view kSimilarity = "task: sentence similarity | query: ";
constexpr std::string_view kCode = "task: code retrieval | query: ";
constexpr std::string_view kClustering = "task: clustering | query: ";
constexpr std::string_view kSummarization = "task: summarization | query: ";

// The model card's tasks, "none", then the names of config_sentence_transformers.json.
constexpr std::array kBuiltin = {
    Named{"retrieval-query", kSearch},
    Named{"retrieval-document", kDocument},
    Named{"question-answering", "task: question answering | query: "},
    Named{"fact-verification", "task: fact checking | query: "},
    Named{"classification", kClassification},
    Named{"clustering", kClustering},
    Named{"semantic-similarity", kSimilarity},
    Named{"code-retrieval", kCode},
    Named{"summarization", kSummarization},
    Named{"none", ""},
    Named{"query", kSearch},
    Named{"document", kDocument},
    Named{"BitextMining", kSearch},
    Named{"Clustering", kClustering},
    Named{"Classification", kClassification},
    Named{"InstructionRetrieval", kCode},
    Named{"MultilabelClassification", kClassification},
    Named{"PairClassification", kSimilarity},
    Named{"Reranking", kSearch},
    Named{"Retrieval", kSearch},
    Named{"Retrieval-query", kSearch},
    Named{"Retrieval-document", kDocument},
    Named{"STS", kSimilarity},
    Named{"Summarization", kSummarization},
};

// Other spellings, folded, of the card's tasks: the words inside the prompts themselves, mostly.
constexpr std::array kAliases = {
    Named{"search", "retrieval-query"},         Named{"searchresult", "retrieval-query"},
    Named{"factchecking", "fact-verification"}, Named{"sentencesimilarity", "semantic-similarity"},
    Named{"similarity", "semantic-similarity"},
};

// Where a document's title goes.
constexpr std::string_view kNoTitle = "title: none | ";

// Lower case without " ", "_" and "-".
std::string fold(std::string_view name) {
  std::string folded;
  for (const char c : name) {
    if (c == ' ' || c == '_' || c == '-') continue;
    folded += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return folded;
}

const Prompt* find_prompt(const std::vector<Prompt>& prompts, std::string_view task) {
  for (const Prompt& prompt : prompts) {
    if (prompt.name == task) return &prompt;
  }
  const std::string folded = fold(task);
  for (const Prompt& prompt : prompts) {
    if (fold(prompt.name) == folded) return &prompt;
  }
  for (const Named& alias : kAliases) {
    if (alias.name == folded) return find_prompt(prompts, alias.prefix);
  }
  return nullptr;
}

Error unknown_task(const PromptSet& prompts, std::string_view task) {
  std::string names;
  for (const std::string_view name : prompts.names()) {
    if (name != "none") names.append(name).append(", ");
  }
  return {ErrorCode::kInvalidArgument,
          "Unknown task " + base::quote(task) + ": expected one of " + names + "or none (no prompt)."};
}

}  // namespace

PromptSet PromptSet::builtin() {
  PromptSet set;
  for (const Named& prompt : kBuiltin)
    set.prompts_.push_back({std::string(prompt.name), std::string(prompt.prefix)});
  return set;
}

Result<PromptSet> PromptSet::from_model(const std::filesystem::path& model) {
  GEMVEC_TRY(json, source::read_prompts_json(model));
  if (json.empty()) return builtin();
  return from_json(json, (model / "config_sentence_transformers.json").string());
}

Result<PromptSet> PromptSet::from_json(std::string_view json, std::string_view name) {
  PromptSet set = builtin();
  GEMVEC_TRY(file, source::JsonFields::parse(json, name));
  if (file.find("prompts") == nullptr) return set;
  GEMVEC_TRY(prompts, file.object("prompts"));
  std::vector<Prompt> own;
  for (const auto& field : prompts.raw()) {
    const std::string name(field.key());
    GEMVEC_TRY(prefix, prompts.text(name));
    own.push_back({name, std::move(prefix)});
  }
  // A model's "Clustering" is also what its user means by "clustering". Exact names come second, so
  // that they win where a model has two that fold to one.
  for (const Prompt& prompt : own) {
    for (Prompt& known : set.prompts_) {
      if (fold(known.name) == fold(prompt.name)) known.prefix = prompt.prefix;
    }
  }
  for (Prompt& prompt : own) {
    const auto known = std::find_if(set.prompts_.begin(), set.prompts_.end(),
                                    [&](const Prompt& other) { return other.name == prompt.name; });
    if (known != set.prompts_.end()) {
      known->prefix = std::move(prompt.prefix);
    } else {
      set.prompts_.push_back(std::move(prompt));
    }
  }
  return set;
}

std::vector<std::string_view> PromptSet::names() const {
  std::vector<std::string> seen;
  std::vector<std::string_view> names;
  for (const Prompt& prompt : prompts_) {
    std::string folded = fold(prompt.name);
    if (std::find(seen.begin(), seen.end(), folded) != seen.end()) continue;
    seen.push_back(std::move(folded));
    names.emplace_back(prompt.name);
  }
  return names;
}

Result<std::string> PromptSet::prefix(std::string_view task, std::optional<std::string_view> title) const {
  const Prompt* prompt = find_prompt(prompts_, task);
  if (prompt == nullptr) return unknown_task(*this, task);
  if (!title) return prompt->prefix;
  if (!std::string_view(prompt->prefix).starts_with(kNoTitle))
    return Error{ErrorCode::kInvalidArgument, "Task " + base::quote(prompt->name) +
                                                  " takes no title: expected retrieval-document with one."};
  if (title->empty()) return prompt->prefix;
  return "title: " + std::string(*title) + " | " + prompt->prefix.substr(kNoTitle.size());
}

}  // namespace gemvec
