// A release of a few hundred kilobytes, the same in every process that makes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fetch/release.h"

namespace gemvec::fetch::testing {

using Members = std::vector<std::pair<std::string, std::string>>;  // name, bytes

struct FakeRelease {
  Release release;
  std::map<std::string, std::string> files;   // path -> bytes
  std::map<std::string, std::string> wheels;  // version -> bytes of the wheel
};

inline constexpr const char* kBigFile = "model.safetensors";
inline constexpr const char* kOptionalFile = "extra.json";

// Members that the mirror's zip holds besides the release's own files.
FakeRelease make_fake_release(const Members& extra = {});

// `bytes` bytes that do not compress, the same for the same seed.
std::string noise(std::size_t bytes, unsigned seed);
std::string sha256_of(const std::string& bytes);

// A zip in memory. Names are written as they are.
std::string make_zip(const Members& members);
std::string make_wheel(const std::string& version, const std::string& chunk);

}  // namespace gemvec::fetch::testing
