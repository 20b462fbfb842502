// The model that a command works with: where it is, and how it is loaded.
#pragma once

#include <CLI/App.hpp>
#include <filesystem>
#include <string>

#include "cli/commands/failure.h"
#include "gemvec/embedder.h"
#include "gemvec/fetch.h"

namespace gemvec::cli {

struct ModelOptions {
  std::string model;  // folder or file; empty = GEMVEC_MODEL, else the cache, else download
  std::string dtype;  // empty: q8, or what a .gemvec file holds
  std::string compute = "native";
  bool exact = false;
  bool allow_headless = false;
  unsigned threads = 0;
  std::uint64_t max_memory = 0;  // bytes; 0: no limit
  bool no_cache = false;
};

void add_model_option(CLI::App& command, ModelOptions& options);     // --model
void add_threads_option(CLI::App& command, ModelOptions& options);   // --threads
void add_compute_options(CLI::App& command, ModelOptions& options);  // --dtype ... --no-cache

// Whether the user named the folder, with --model or GEMVEC_MODEL.
bool is_model_named(const ModelOptions& options);

// fetch_model() with a progress bar on a terminal.
Result<FetchedModel> fetch_with_progress(FetchOptions options);

// The folder; fetched first if the user named none and the cache has none.
std::filesystem::path locate_model(const ModelOptions& options);

// With a progress bar on a terminal, and a warning if the vectors are not the release's.
Embedder load_embedder(const ModelOptions& options, const std::filesystem::path& folder);

// In words, of a model whose check is WeightsCheck::kUnpromised.
std::string why_unpromised(const ModelInfo& info);

}  // namespace gemvec::cli
