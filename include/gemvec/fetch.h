// Getting the model's files, checked. Lives in the library `gemvec_fetch`, apart from the engine, so
// that programs that bring their own weights link no HTTP client.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gemvec/result.h"

namespace gemvec {

struct FetchProgress {
  std::string_view source;  // "hub", "mirror"
  std::string_view file;    // what is being fetched or checked now
  std::string_view stage;   // "downloading", "unpacking", "verifying"
  std::uint64_t done = 0;   // bytes of the stage, over all files of it
  std::uint64_t total = 0;  // 0 = unknown
};

struct FetchOptions {
  // Folder the user names; empty = the environment's GEMVEC_MODEL, else the cache, else download.
  // A folder given here or by GEMVEC_MODEL is never downloaded into, only checked.
  std::filesystem::path model{};
  std::filesystem::path cache_dir{};  // empty = default_cache_dir()
  std::string hub_token{};            // empty = the environment's HF_TOKEN
  std::string hub_endpoint{};         // empty = the environment's HF_ENDPOINT, else the public hub
  bool allow_hub = true;
  bool allow_mirror = true;
  bool offline = false;                                  // only look at what is on this machine
  std::function<void(const FetchProgress&)> progress{};  // may be empty
  std::function<bool()> cancelled{};                     // may be empty; true ends with kCancelled
};

struct FetchedModel {
  std::filesystem::path path;      // folder in the sentence-transformers layout
  std::string source;              // "given", "cache", "hub", "mirror"
  bool verified = false;           // every file has the release's SHA-256 (always true unless "given")
  std::vector<std::string> notes;  // e.g. why the hub was passed over; files of "given" that differ
};

// The model folder, downloaded first if need be. Safe when several processes call it at once; a
// file is put in its place only whole and with the right SHA-256; an interrupted download resumes.
// Errors: kNotFound (offline and nothing here; a given folder without the files), kUnauthorized
// (says what to accept where), kNetwork, kChecksum, kIo (disk full), kCancelled.
Result<FetchedModel> fetch_model(const FetchOptions& options = {});

// Lower-case hex SHA-256 of a file. Errors: kNotFound, kIo.
Result<std::string> sha256_file(const std::filesystem::path& path);

struct ReleaseFile {
  std::string_view path;    // relative to the model folder
  std::string_view sha256;  // lower-case hex
  std::uint64_t bytes = 0;
};
// The files that gemvec needs, as released.
const std::vector<ReleaseFile>& release_files();

}  // namespace gemvec
