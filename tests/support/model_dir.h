// Where the tests find the real weights and the real tokenizer.json.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace gemvec::testing {

// $GEMVEC_MODEL, else the folder in gemvec's cache that `gemvec pull` fills. It need not exist: a test
// that wants the model fails without it, so that a run without the model never looks like a good one.
inline std::filesystem::path model_dir() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::filesystem::path(value == nullptr ? "" : value);
  };
  if (!variable("GEMVEC_MODEL").empty()) return variable("GEMVEC_MODEL");
  std::filesystem::path cache = variable("GEMVEC_CACHE");
  if (cache.empty() && !variable("XDG_CACHE_HOME").empty()) cache = variable("XDG_CACHE_HOME") / "gemvec";
  if (cache.empty()) cache = variable("HOME") / ".cache" / "gemvec";
  return cache / "models" / "embeddinggemma-300m";
}

}  // namespace gemvec::testing
