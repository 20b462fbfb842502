// `gemvec tokenize`: what the model will see of each text. Needs tokenizer.json only, not the weights.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/Option.hpp>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "cli/commands/commands.h"
#include "cli/commands/failure.h"
#include "cli/commands/model.h"
#include "cli/commands/text_counts.h"
#include "cli/commands/text_options.h"
#include "cli/io/json_text.h"
#include "cli/io/output_file.h"
#include "cli/io/text_reader.h"

namespace gemvec::cli {

namespace {

struct TokenizeArguments {
  TextOptions text;
  ModelOptions model;
  bool json = false;
  bool pieces = false;
  bool no_bos_eos = false;
};

// {"ids":[2,9259,1],"tokens":3,"truncated":false}, and with --pieces also
// "pieces":["<bos>","Hello","<eos>"],"offsets":[[0,0],[0,5],[5,5]],"prompt_bytes":0
std::string as_json(const Tokenizer& tokenizer, const Encoding& encoding, std::size_t prompt_bytes,
                    bool pieces) {
  std::string out = fmt::format("{{\"ids\":[{}],\"tokens\":{},\"truncated\":{}", fmt::join(encoding.ids, ","),
                                encoding.ids.size(), encoding.truncated);
  if (pieces) {
    out += ",\"pieces\":[";
    for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
      if (i != 0) out += ',';
      append_string(out, tokenizer.piece(encoding.ids[i]));
    }
    out += "],\"offsets\":[";
    for (std::size_t i = 0; i < encoding.offsets.size(); ++i) {
      fmt::format_to(std::back_inserter(out), "{}[{},{}]", i == 0 ? "" : ",", encoding.offsets[i].begin,
                     encoding.offsets[i].end);
    }
    fmt::format_to(std::back_inserter(out), "],\"prompt_bytes\":{}", prompt_bytes);
  }
  return out + "}";
}

TokenizeOptions tokenize_options(const TokenizeArguments& arguments) {
  TokenizeOptions options;
  options.max_tokens = arguments.text.max_tokens;
  options.truncate = truncate_of(arguments.text);
  options.control_text = control_text_of(arguments.text);
  options.add_bos_eos = !arguments.no_bos_eos;
  options.offsets = arguments.pieces;
  return options;
}

int tokenize(const TokenizeArguments& arguments) {
  if (arguments.text.max_tokens == 1) {
    throw Failure(kWrongUsage, "--max-tokens 1: BOS and EOS alone are two; 0 stands for no limit.");
  }
  if (!is_model_named(arguments.model)) PromptChoice::check_task(arguments.text);
  const std::filesystem::path folder = locate_model(arguments.model);
  const PromptChoice prompt(arguments.text, folder);
  const Tokenizer tokenizer = unwrap(load_tokenizer(folder, default_cache_dir()));
  const TokenizeOptions options = tokenize_options(arguments);
  TextReader reader(arguments.text.files, reader_options(arguments.text, prompt, false));
  OutputFile output = unwrap(OutputFile::open(""));
  TextCounts counts;
  for (TextRecord record; unwrap(reader.next(record));) {
    const std::string prefix = record.title ? prompt.prefix(*record.title) : prompt.prefix();
    auto encoding = tokenizer.encode(prefix + record.text, options);
    if (!encoding.ok()) throw Failure(kFailed, record.where + ": " + encoding.error().message);
    counts.add(encoding->truncated, encoding->invalid_sequences);
    const std::string line = arguments.json || arguments.pieces
                                 ? as_json(tokenizer, *encoding, prefix.size(), arguments.pieces)
                                 : fmt::format("{}", fmt::join(encoding->ids, " "));
    unwrap(output.append(line + "\n"));
  }
  counts.warn(arguments.text.max_tokens);
  return kDone;
}

}  // namespace

void add_tokenize(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("tokenize", "Turn texts into token ids");
  auto arguments = std::make_shared<TokenizeArguments>();
  add_prompt_options(command, arguments->text);
  add_input_options(command, arguments->text);
  add_length_options(command, arguments->text, 0);
  command.add_flag("--json", arguments->json, "One JSON object a text instead of ids with spaces between");
  command.add_flag("--pieces", arguments->pieces, "JSON with the tokens' strings and their ranges of bytes");
  command.add_flag("--no-bos-eos", arguments->no_bos_eos, "Leave out the ids that begin and end a text");
  add_model_option(command, arguments->model);
  command.footer(
      "Example:\n"
      "  printf 'Hello\\nHow many tokens?\\n' | gemvec tokenize --json");
  command.callback([arguments, &action] { action = [arguments] { return tokenize(*arguments); }; });
}

}  // namespace gemvec::cli
