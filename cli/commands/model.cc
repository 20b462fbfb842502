// The model that a command works with: where it is, and how it is loaded.
#include "cli/commands/model.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "cli/terminal/bytes_progress.h"
#include "cli/terminal/interrupt.h"

namespace gemvec::cli {

namespace {

constexpr unsigned kMaxThreads = 1024;  // more than any machine has; catches a slip of the finger

std::string environment_model() {
  const char* folder = std::getenv("GEMVEC_MODEL");
  return folder == nullptr ? "" : folder;
}

}  // namespace

void add_model_option(CLI::App& command, ModelOptions& options) {
  command
      .add_option("--model", options.model, "Model folder or file (default: GEMVEC_MODEL, else the cache)")
      ->type_name("PATH");
}

void add_threads_option(CLI::App& command, ModelOptions& options) {
  command.add_option("--threads", options.threads, "Threads (default: one a core)")
      ->type_name("N")
      ->check(CLI::Range(1U, kMaxThreads).description("1-1024"));
}

void add_compute_options(CLI::App& command, ModelOptions& options) {
  command
      .add_option("--dtype", options.dtype,
                  "Weights: fp32, bf16, q8, q4 or mixed (default q8, or a .gemvec file's)")
      ->type_name("D")
      ->check(CLI::IsMember({"fp32", "bf16", "q8", "q4", "mixed"}));
  command.add_option("--compute", options.compute, "Arithmetic (default native: as the weights)")
      ->type_name("C")
      ->check(CLI::IsMember({"native", "fp32"}));
  command.add_flag("--exact", options.exact, "fp32 over exactly the file's numbers, quantised or not");
  command.add_flag("--allow-headless", options.allow_headless,
                   "Take a file without the dense layers: not the release's vectors");
  add_threads_option(command, options);
  command
      .add_option("--max-memory", options.max_memory,
                  "Working memory at most, as 64M or 1G (default: no limit)")
      ->type_name("BYTES")
      ->transform(CLI::AsSizeValue(false));
  command.add_flag("--no-cache", options.no_cache, "Pack the weights into memory, not into the cache");
}

bool is_model_named(const ModelOptions& options) {
  return !options.model.empty() || !environment_model().empty();
}

Result<FetchedModel> fetch_with_progress(FetchOptions options) {
  BytesProgress progress;
  std::string announced;
  options.cancelled = interrupted;
  options.progress = [&](const FetchProgress& now) {
    // Said once, also in a pipe: a download of a gigabyte should not look like a program that hangs.
    const std::string work = fmt::format("{} ({})", now.stage, now.source);
    if (now.stage == "downloading" && work != announced) {
      progress.clear();
      spdlog::info("Downloading the model from the {}.", now.source);
      announced = work;
    }
    progress.draw(fmt::format("{} {}", now.stage, now.file), now.done, now.total);
  };
  return fetch_model(options);
}

std::filesystem::path locate_model(const ModelOptions& options) {
  // A folder that the user named is used as it is: loading checks it, `gemvec pull` compares it with
  // the release.
  if (!options.model.empty()) return options.model;
  if (is_model_named(options)) return environment_model();
  FetchedModel fetched = unwrap(fetch_with_progress({}));
  for (const std::string& note : fetched.notes) spdlog::info("{}", note);
  return std::move(fetched.path);
}

Embedder load_embedder(const ModelOptions& options, const std::filesystem::path& folder) {
  LoadOptions load;
  load.model = folder;
  if (!options.dtype.empty()) load.dtype = unwrap_usage(parse_dtype(options.dtype));
  load.compute = unwrap_usage(parse_compute(options.compute));
  load.exact = options.exact;
  load.allow_headless = options.allow_headless;
  load.threads = options.threads;
  load.max_memory = options.max_memory;
  load.use_cache = !options.no_cache;
  BytesProgress progress;
  load.progress = [&](const LoadProgress& now) {
    progress.draw(std::string(now.stage), now.done, now.total);
  };
  Embedder embedder = unwrap(Embedder::load(load));
  progress.clear();
  const ModelInfo info = embedder.info();
  for (const std::string& note : info.notes) spdlog::info("{}", note);
  if (info.check == WeightsCheck::kDifferent) {
    spdlog::warn(
        "{}: the weights do not give the release's vectors (off by {:.2g}): a fine-tune, or damaged.",
        folder.string(), info.check_max_abs_diff);
  }
  return embedder;
}

std::string why_unpromised(const ModelInfo& info) {
  if (info.dtype == name_of(DType::kMixed)) return "nothing is promised of mixed weights";
  return "nothing is promised of weights that were quantised before";
}

}  // namespace gemvec::cli
