// The commands. Each function adds one to the command line; when the arguments choose it, `action` is
// set to what has to be done, which returns the exit code or throws Failure.
#pragma once

#include <CLI/App.hpp>
#include <cstddef>
#include <functional>

namespace gemvec::cli {

using Action = std::function<int()>;

// Column at which the descriptions in --help begin: behind the longest option, "--query-task TASK".
inline constexpr std::size_t kHelpColumn = 36;
// Width of the texts below the options.
inline constexpr std::size_t kHelpColumns = 100;

void add_embed(CLI::App& app, Action& action);
void add_similarity(CLI::App& app, Action& action);
void add_tokenize(CLI::App& app, Action& action);
void add_verify(CLI::App& app, Action& action);
void add_info(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);
void add_serve(CLI::App& app, Action& action);
void add_quantize(CLI::App& app, Action& action);
void add_pull(CLI::App& app, Action& action);
void add_convert(CLI::App& app, Action& action);

}  // namespace gemvec::cli
