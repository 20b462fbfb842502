// `gemvec embed`: texts in, vectors out, in constant memory.
#pragma once

#include <string>

#include "cli/commands/model.h"
#include "cli/commands/text_options.h"

namespace gemvec::cli {

struct EmbedArguments {
  TextOptions text;
  ModelOptions model;
  bool ids = false;
  unsigned dim = 768;
  bool no_normalize = false;
  std::string output = "text";  // or "tokens": one vector a token
  std::string output_format = "jsonl";
  std::string output_path;
  bool stats = false;
};

}  // namespace gemvec::cli
