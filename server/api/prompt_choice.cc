#include "server/api/prompt_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/api/encode.h"

namespace gemvec::server {

namespace {

ApiError unknown_prompt(const PromptSet& prompts, std::string_view name) {
  std::string names;
  for (const Prompt& prompt : prompts.all()) {
    if (!names.empty()) names += ", ";
    append_string(names, prompt.name);
  }
  return invalid_input(
      fmt::format("`default-prompt-name` is set to `{}` but it was not found in the Sentence Transformers "
                  "prompts. Available prompts: [{}]",
                  name, names));
}

}  // namespace

PromptChoice read_prompt(Fields& fields) {
  PromptChoice choice;
  choice.prompt_name = fields.optional_string("prompt_name");
  choice.task = fields.optional_string("task");
  choice.title = fields.optional_string("title");
  return choice;
}

std::variant<std::string, ApiError> find_prefix(const Service& service, const PromptChoice& choice) {
  if (choice.task && choice.prompt_name)
    return invalid_input("`task` and `prompt_name` name the same thing: give one");
  const auto& name = choice.task ? choice.task : choice.prompt_name;
  if (!name) {
    if (choice.title)
      return invalid_input("`title` is for documents: give `task` \"retrieval-document\" with it");
    return service.options().default_prompt;
  }
  if (choice.prompt_name) {
    const auto& all = service.prompts().all();
    const auto known = std::find_if(all.begin(), all.end(), [&](const Prompt& p) { return p.name == *name; });
    if (known == all.end()) return unknown_prompt(service.prompts(), *name);
    if (!choice.title) return known->prefix;
  }
  auto prefix = service.prompts().prefix(*name, choice.title);
  if (!prefix) return invalid_input(prefix.error().message);
  return std::move(prefix).value();
}

}  // namespace gemvec::server
