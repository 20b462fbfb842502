#include "server/api/model_name.h"

namespace gemvec::server {

namespace {

constexpr std::string_view kLatest = ":latest";
constexpr std::string_view kLibraryName = "embeddinggemma";  // what Ollama's own library calls it

std::string_view without_latest(std::string_view name) {
  return name.ends_with(kLatest) ? name.substr(0, name.size() - kLatest.size()) : name;
}

bool names(std::string_view full, std::string_view asked) {
  full = without_latest(full);
  return !full.empty() && (asked == full || asked == full.substr(full.rfind('/') + 1));
}

}  // namespace

bool is_model_name(const ModelCard& card, std::string_view name) {
  if (name == kLibraryName ||
      (name.starts_with(kLibraryName) && name.substr(kLibraryName.size()).starts_with(':')))
    return true;
  const std::string_view asked = without_latest(name);
  return !asked.empty() && (names(card.name, asked) || names(card.id, asked));
}

}  // namespace gemvec::server
