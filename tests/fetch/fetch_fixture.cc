#include "fetch/fetch_fixture.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

namespace gemvec::fetch::testing {

namespace fs = std::filesystem;

void write_text(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

FetchTest::FetchTest() {
  std::string pattern = (fs::temp_directory_path() / "gemvec-fetch-XXXXXX").string();
  folder_ = ::mkdtemp(pattern.data());
  cache_ = folder_ / "cache";
  index_ = folder_ / "index";
  const std::map<std::string, std::string> wanted = {{"HF_TOKEN_PATH", (folder_ / "no-token").string()},
                                                     {"no_proxy", "127.0.0.1,localhost"}};
  for (const char* name :
       {"GEMVEC_MODEL", "HF_TOKEN", "HF_ENDPOINT", "HF_HOME", "HF_TOKEN_PATH", "no_proxy"}) {
    const char* value = std::getenv(name);
    saved_[name] = value == nullptr ? "\1" : value;
    const auto entry = wanted.find(name);
    if (entry == wanted.end())
      ::unsetenv(name);
    else
      ::setenv(name, entry->second.c_str(), 1);
  }
}

FetchTest::~FetchTest() {
  for (const auto& [name, value] : saved_) {
    if (value == "\1")
      ::unsetenv(name.c_str());
    else
      ::setenv(name.c_str(), value.c_str(), 1);
  }
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

FetchOptions FetchTest::options(const std::string& endpoint) const {
  FetchOptions all;
  all.cache_dir = cache_;
  all.hub_endpoint = endpoint;
  all.allow_mirror = !fake_.release.mirror.pip_commands.empty();
  return all;
}

std::string FetchTest::hub_path(const std::string& file) const {
  return "/" + fake_.release.repository + "/resolve/main/" + file;
}

Reply FetchTest::hub(const Request& request) const {
  for (const auto& [path, bytes] : fake_.files) {
    if (request.path == hub_path(path)) return serve(request, bytes);
  }
  return {.status = 404, .body = "no such file"};
}

void FetchTest::make_index() {
  for (const auto& [version, bytes] : fake_.wheels) write_text(index_ / (version + ".whl"), bytes);
  fake_.release.mirror.pip_commands = {make_program("pip", R"(
while [ $# -gt 0 ]; do
  case "$1" in
    -d) shift; dir=$1 ;;
    *==*) version=${1##*==} ;;
  esac
  shift
done
echo "$version" >> "$here/calls"
echo "Collecting the wheel"
cp "$here/$version.whl" "$dir/fake_package-$version-py3-none-any.whl" && exit 0
echo "ERROR: No matching distribution found for $version"
exit 1
)")};
}

std::vector<std::string> FetchTest::make_program(const std::string& name, const std::string& script) const {
  write_text(index_ / name, "here='" + index_.string() + "'\necho \"$@\" >> \"$here/arguments\"\n" + script);
  return {"/bin/sh", (index_ / name).string()};
}

std::vector<std::string> FetchTest::pip_calls() const {
  std::istringstream lines(read_text(index_ / "calls"));
  return {std::istream_iterator<std::string>(lines), {}};
}

void FetchTest::expect_whole(const fs::path& folder) const {
  std::vector<std::string> expected = {".gemvec-verified.json"};
  for (const auto& [path, bytes] : fake_.files) {
    expected.push_back(path);
    EXPECT_EQ(sha256_of(read_text(folder / path)), sha256_of(bytes)) << path;
  }
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(tree(folder), expected);
}

std::vector<std::string> FetchTest::tree(const fs::path& folder) {
  std::vector<std::string> all;
  std::error_code none;
  for (const auto& entry : fs::recursive_directory_iterator(folder, none)) {
    if (entry.is_regular_file()) all.push_back(entry.path().lexically_relative(folder).string());
  }
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace gemvec::fetch::testing
