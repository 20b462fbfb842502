// fetch_driver release|fake CACHE ENDPOINT [PIP-SCRIPT [FILE-SIZE-LIMIT]]
//
// Fetches the real release, or the tests' fake one, in a process of its own. Prints the stages as they
// begin and what came of it; ends with 0, or 10 + the error's code.
#include <fmt/format.h>
#include <sys/resource.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "fetch/fake_release.h"
#include "fetch/fetcher.h"

namespace {

// As if the disk were full at this size of a file.
void limit_file_size(const std::string& text) {
  rlim_t bytes = RLIM_INFINITY;
  std::from_chars(text.data(), text.data() + text.size(), bytes);
  const rlimit limit{bytes, bytes};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() < 3) {
    fmt::print(stderr, "usage: fetch_driver release|fake CACHE ENDPOINT [PIP-SCRIPT [FILE-SIZE-LIMIT]]\n");
    return 2;
  }
  gemvec::fetch::Release release = gemvec::fetch::embeddinggemma();
  if (arguments[0] == "fake") release = gemvec::fetch::testing::make_fake_release().release;
  gemvec::FetchOptions options;
  options.cache_dir = arguments[1];
  options.hub_endpoint = arguments[2] == "-" ? "" : arguments[2];
  options.allow_mirror = arguments[0] == "release" || arguments.size() > 3;
  if (arguments.size() > 3) release.mirror.pip_commands = {{"/bin/sh", arguments[3]}};
  if (arguments.size() > 4) limit_file_size(arguments[4]);

  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  std::string last;
  options.progress = [&](const gemvec::FetchProgress& progress) {
    const std::string stage = std::string(progress.source) + ": " + std::string(progress.stage);
    if (stage != last) fmt::print("{:6.1f} s  {}, {} bytes\n", seconds(), stage, progress.total);
    std::fflush(stdout);
    last = stage;
  };
  const auto model = gemvec::fetch::fetch_release(release, options);
  if (!model.ok()) {
    fmt::print("{:6.1f} s  failed: {}\n", seconds(), model.error().message);
    return 10 + static_cast<int>(model.error().code);
  }
  for (const auto& note : model->notes) fmt::print("note: {}\n", note);
  fmt::print("{:6.1f} s  {} from {}, verified: {}\n", seconds(), model->path.string(), model->source,
             model->verified);
  return 0;
}
