// The files of server/page/static/ as they are inside the program.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace gemvec::server {

struct Asset {
  std::string_view name;  // "style.css"
  std::string_view body;
  std::string_view etag;  // with its quotes; another body has another one
};

// Valid as long as the program runs.
std::span<const Asset> assets();

}  // namespace gemvec::server
