#include "formats/onnx_external.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/quote.h"
#include "base/try.h"

namespace gemvec::formats {

namespace {

namespace fs = std::filesystem;

// One exporter writes a file for each constant; the release written out has 600 constants.
constexpr std::size_t kMaxFiles = 4096;
constexpr std::size_t kMaxLocationBytes = 1024;

// "weights/model.onnx_data", but not "", "/a", "a//b", "./a", "a/../b", or one with a zero in it.
bool is_plain_relative(std::string_view location) {
  if (location.empty() || location.size() > kMaxLocationBytes) return false;
  if (location.find('\0') != std::string_view::npos || location.find('\\') != std::string_view::npos)
    return false;
  while (true) {
    const std::size_t slash = location.find('/');
    const std::string_view part = location.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    location.remove_prefix(slash + 1);
  }
}

// Both canonical.
bool is_inside(const fs::path& path, const fs::path& folder) {
  const auto [at, end] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return at == folder.end() && end != path.end();
}

}  // namespace

Result<std::span<const std::byte>> OnnxExternalFiles::bytes(std::string_view location) {
  if (const auto found = opened_.find(location); found != opened_.end()) return files_[found->second].bytes();
  const auto bad = [&](const std::string& problem) {
    return Error{ErrorCode::kBadFormat, onnx_file_.string() + ": external data: location: expected " +
                                            problem + ", found " + base::quote(location) + "."};
  };
  if (!is_plain_relative(location)) return bad("the name of a file in this folder");
  if (files_.size() == kMaxFiles) return bad("at most " + std::to_string(kMaxFiles) + " files");
  const fs::path path = onnx_file_.parent_path() / location;
  std::error_code error;
  const fs::path canonical = fs::canonical(path, error);
  if (error) return base::os_error("open", path, error.value());
  const fs::path onnx = fs::canonical(onnx_file_, error);
  if (error) return base::os_error("open", onnx_file_, error.value());
  const fs::path folder = fs::canonical(fs::absolute(onnx_file_, error).parent_path(), error);
  if (error) return base::os_error("open", onnx_file_, error.value());
  if (!is_inside(canonical, folder) && !is_inside(canonical, onnx.parent_path()))
    return bad("a file in this folder, not a link out of it");
  GEMVEC_TRY(file, base::MappedFile::open(path));
  const auto bytes = file.bytes();
  opened_.emplace(location, files_.size());
  files_.push_back(std::move(file));
  paths_.push_back(path);
  return bytes;
}

void OnnxExternalFiles::release(std::vector<base::MappedFile>& files, std::vector<fs::path>& paths) {
  std::move(files_.begin(), files_.end(), std::back_inserter(files));
  std::move(paths_.begin(), paths_.end(), std::back_inserter(paths));
}

}  // namespace gemvec::formats
