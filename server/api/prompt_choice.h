// Which prompt goes before the texts of a request.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "server/api/errors.h"
#include "server/api/fields.h"
#include "server/service.h"

namespace gemvec::server {

struct PromptChoice {
  std::optional<std::string_view>
      prompt_name;                        // text-embeddings-inference's: exactly as in the prompts' list
  std::optional<std::string_view> task;   // gemvec's own: as people write it
  std::optional<std::string_view> title;  // of a document
};

// Reads the fields prompt_name, task and title.
PromptChoice read_prompt(Fields& fields);

// What to put before each text; the server's default if nothing is chosen.
std::variant<std::string, ApiError> find_prefix(const Service& service, const PromptChoice& choice);

}  // namespace gemvec::server
