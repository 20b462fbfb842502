// The model hub: one GET per file, smallest first, so that a closed door or another release is noticed
// before the gigabyte.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "base/try.h"
#include "fetch/digest.h"
#include "fetch/http.h"
#include "fetch/job.h"

namespace gemvec::fetch {

namespace fs = std::filesystem;

namespace {

constexpr const char* kPublicHub = "https://huggingface.co";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string trimmed(const std::string& text) {
  constexpr const char* kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// Where the hub's own client keeps the token of someone who has logged in.
fs::path token_file() {
  if (const auto path = environment("HF_TOKEN_PATH"); !path.empty()) return path;
  if (const auto home = environment("HF_HOME"); !home.empty()) return fs::path(home) / "token";
  if (const auto cache = environment("XDG_CACHE_HOME"); !cache.empty())
    return fs::path(cache) / "huggingface" / "token";
  return fs::path(environment("HOME")) / ".cache" / "huggingface" / "token";
}

std::string find_token(const FetchOptions& options) {
  if (!options.hub_token.empty()) return trimmed(options.hub_token);
  if (auto token = trimmed(environment("HF_TOKEN")); !token.empty()) return token;
  const auto text = base::read_file(token_file(), 4096);  // a token has 37 characters
  return text.ok() ? trimmed(*text) : std::string();
}

std::string find_endpoint(const FetchOptions& options) {
  std::string endpoint = options.hub_endpoint.empty() ? environment("HF_ENDPOINT") : options.hub_endpoint;
  if (endpoint.empty()) endpoint = kPublicHub;
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return endpoint;
}

Error explain_refusal(const Job& job, const Error& refusal, bool had_token) {
  const std::string& page = job.release.licence_page;
  std::string message = refusal.message + " The model's licence has to be accepted first: open " + page +
                        " while logged in, accept it, and set HF_TOKEN to a read token of that account";
  message += had_token ? " (a token was sent; it may be another account's, or have no read permission)."
                       : " (no token was sent).";
  return {ErrorCode::kUnauthorized, message};
}

// The file into layout.parts, whole and hashed; the wrong bytes are not kept.
Result<std::string> download_and_hash(Job& job, HttpClient& client, const Download& download) {
  GEMVEC_CHECK_OK(client.get(download));
  return hash_file(download.part, [&](std::uint64_t) { return job.monitor.check(); });
}

Status fetch_file(Job& job, HttpClient& client, const ReleaseEntry& entry, Download download) {
  download.part = job.layout.parts / (entry.path + ".part");
  download.bytes = entry.bytes;
  // A part left by an earlier run may be of other bytes: it gets one try, the whole file another.
  for (const bool resumed : {true, false}) {
    if (!resumed) remove_quietly(download.part);
    const bool from_scratch = size_of(download.part) == 0;
    GEMVEC_TRY(hash, download_and_hash(job, client, download));
    if (hash == entry.sha256) return accept_file(job, entry, download.part);
    remove_quietly(download.part);
    if (from_scratch) return checksum_error("the hub", download.url, entry.sha256, hash);
  }
  return Error{ErrorCode::kInternal, entry.path + ": a download from scratch was taken for a resumed one."};
}

}  // namespace

Status fetch_from_hub(Job& job) {
  std::vector<const ReleaseEntry*> files = job.missing;
  std::sort(files.begin(), files.end(),
            [](const ReleaseEntry* a, const ReleaseEntry* b) { return a->bytes < b->bytes; });
  std::uint64_t total = 0;
  std::uint64_t here = 0;
  for (const ReleaseEntry* entry : files) {
    total += entry->bytes;
    here += std::min(size_of(job.layout.parts / (entry->path + ".part")), entry->bytes);
  }
  GEMVEC_CHECK_OK(require_space(job.release, job.layout.downloads, total - here));

  const std::string base = find_endpoint(job.options) + "/" + job.release.repository + "/resolve/main/";
  Download download;
  download.token = find_token(job.options);
  HttpClient client(job.release.patience, job.monitor);
  job.monitor.begin("hub", "downloading", total);
  std::uint64_t done = 0;
  for (const ReleaseEntry* entry : files) {
    download.url = base + entry->path;
    download.advance = [&](std::uint64_t bytes) { return job.monitor.update(entry->path, done + bytes); };
    auto status = fetch_file(job, client, *entry, download);
    if (!status.ok() && status.error().code == ErrorCode::kUnauthorized)
      return explain_refusal(job, status.error(), !download.token.empty());
    if (!status.ok()) return status;
    done += entry->bytes;
  }
  return {};
}

}  // namespace gemvec::fetch
