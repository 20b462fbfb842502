// The command line as a whole.
#include "cli/app.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <memory>
#include <new>
#include <sstream>
#include <string>

#include "cli/commands/commands.h"
#include "cli/commands/failure.h"
#include "cli/terminal/format.h"
#include "cli/terminal/interrupt.h"
#include "gemvec/diagnostics.h"

namespace gemvec::cli {

namespace {

// Everything that is not data goes to standard error, one line each: "gemvec: warning: ...".
void set_up_log() {
  auto logger =
      std::make_shared<spdlog::logger>("gemvec", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_pattern("%n: %^%l%$: %v");
  spdlog::set_default_logger(std::move(logger));
}

void build(CLI::App& app, Action& action) {
  app.name("gemvec");
  app.description("EmbeddingGemma-300M: the release's vectors, computed natively.");
  app.set_version_flag("--version", "gemvec " + version(), "Print the version");
  app.require_subcommand(0, 1);  // parse_and_run() has the better message for none
  app.get_formatter()->column_width(kHelpColumn);
  app.footer(
      "The model is the folder in GEMVEC_MODEL, else the one in the cache, else it is downloaded.\n"
      "Exit codes: 0 done, 1 failed, 2 wrong usage, 130/143 interrupted.\n"
      "Try: gemvec COMMAND --help\n\nExample:\n  gemvec --version");
  add_embed(app, action);
  add_similarity(app, action);
  add_tokenize(app, action);
  add_verify(app, action);
  add_info(app, action);
  add_bench(app, action);
  add_serve(app, action);
  add_quantize(app, action);
  add_convert(app, action);
  add_pull(app, action);
}

// "gemvec" or "gemvec embed", as far as the arguments got.
std::string command_name(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app.get_name() : app.get_name() + " " + chosen.front()->get_name();
}

// Help and the version are data, and a full disk is an error for them too.
int print_answer(const CLI::App& app, const CLI::ParseError& answer) {
  std::ostringstream text;
  app.exit(answer, text, text);
  print(text.str());
  return kDone;
}

int parse_and_run(CLI::App& app, Action& action, int argc, const char* const* argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& answer) {
    return print_answer(app, answer);
  } catch (const CLI::ParseError& error) {
    throw Failure(kWrongUsage, error.what());
  }
  if (!action)
    throw Failure(
        kWrongUsage,
        "Which command? embed, similarity, tokenize, verify, info, bench, serve, quantize, convert or pull.");
  return action();
}

}  // namespace

int run(int argc, const char* const* argv) {
  set_up_log();
  catch_signals();
  CLI::App app;
  Action action;
  build(app, action);
  try {
    return parse_and_run(app, action, argc, argv);
  } catch (const Failure& failure) {
    // It may quote input, and input may hold what makes a terminal misbehave.
    spdlog::error("{}", one_line(failure.what(), std::string::npos));
    if (failure.exit_code() == kWrongUsage) fmt::print(stderr, "See: {} --help\n", command_name(app));
    return failure.exit_code();
  } catch (const std::bad_alloc&) {
    spdlog::error("Out of memory.");
  } catch (const std::exception& error) {
    spdlog::error("{}", error.what());
  }
  return kFailed;
}

}  // namespace gemvec::cli
