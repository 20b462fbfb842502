// Messages for what the operating system refused.
#include "cli/io/os_error.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace gemvec::cli {

Error os_error(std::string_view verb, std::string_view name, int errno_value) {
  const ErrorCode code = errno_value == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  return {code, fmt::format("{}: cannot {}: {}.", name, verb, std::generic_category().message(errno_value))};
}

}  // namespace gemvec::cli
