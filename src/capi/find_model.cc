// Where the model is that a user means.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

#include "base/quote.h"
#include "base/try.h"
#include "capi/objects.h"

namespace gemvec::capi {

namespace {

// What the release is called on the hub: scripts that name it run as they are.
constexpr std::array<std::string_view, 2> kReleaseNames = {"google/embeddinggemma-300m",
                                                           "onnx-community/embeddinggemma-300m-ONNX"};
// Where fetch_model() puts it, below the cache (src/fetch/release.cc names it).
constexpr const char* kReleaseFolder = "embeddinggemma-300m";

Result<std::filesystem::path> find_release() {
  const char* given = std::getenv("GEMVEC_MODEL");
  if (given != nullptr && *given != '\0') {
    std::error_code ignored;
    if (std::filesystem::exists(given, ignored)) return std::filesystem::path(given);
    return Error{
        ErrorCode::kNotFound,
        fmt::format("{}: does not exist; the environment's GEMVEC_MODEL names it.", base::quote(given))};
  }
  const std::filesystem::path cache = default_cache_dir();
  const std::filesystem::path folder = cache / "models" / kReleaseFolder;
  std::error_code ignored;
  if (!cache.empty() && std::filesystem::exists(folder, ignored)) return folder;
  return Error{ErrorCode::kNotFound,
               "The model is not on this machine: run `gemvec pull`, which downloads it, or give "
               "the path of a model folder, or set GEMVEC_MODEL to it."};
}

}  // namespace

Result<std::filesystem::path> find_model(std::string_view name) {
  if (name.empty()) return find_release();
  std::error_code ignored;
  const std::filesystem::path path(name);
  if (std::filesystem::exists(path, ignored)) return path;
  if (std::find(kReleaseNames.begin(), kReleaseNames.end(), name) != kReleaseNames.end())
    return find_release();
  return Error{ErrorCode::kNotFound,
               fmt::format("{}: is no file or folder, and no name that gemvec knows ({}).", base::quote(name),
                           fmt::join(kReleaseNames, ", "))};
}

}  // namespace gemvec::capi

gemvec_status gemvec_find_model(const char* name, char** path) {
  using namespace gemvec::capi;  // NOLINT: a C function's body
  return guarded([&]() -> gemvec::Status {
    if (path == nullptr) return null("path");
    GEMVEC_TRY(found, find_model(name == nullptr ? "" : name));
    *path = copy_for_caller(found.string());
    return {};
  });
}
