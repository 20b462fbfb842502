// Any bytes as a target, a host, a traceparent: answered without reading outside of them, and what is let
// through is what it is taken for.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/http/fields.h"

namespace {

using namespace gemvec::server;

bool is_inside(std::string_view part, std::string_view whole) {
  return part.empty() || part == "/" ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void require(bool kept) {
  if (!kept) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Target target = split_target(text);
  require(is_inside(target.path, text) && is_inside(target.query, text) && is_inside(target.authority, text));
  if (const auto path = decode_path(target.path)) {
    require(path->size() <= target.path.size() && is_field_value(*path));
  }
  if (const auto host = host_of(text))
    require(!host->empty() && is_inside(*host, text) && is_field_value(*host));
  if (is_loopback_host(text)) require(is_request_id(text));
  if (is_traceparent(text)) require(is_request_id(text));
  require(is_inside(authority_of_origin(text), text));
  return 0;
}
