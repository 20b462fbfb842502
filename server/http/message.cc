// Looks up headers of a request.
#include "server/http/message.h"

#include "server/http/fields.h"

namespace gemvec::server {

std::string_view HttpRequest::header(std::string_view name) const {
  for (const Header& each : headers) {
    if (same_letters(each.name, name)) return each.value;
  }
  return {};
}

}  // namespace gemvec::server
