// Messages for what the operating system refused, in the words that all of gemvec uses.
#pragma once

#include <string>
#include <string_view>

#include "gemvec/result.h"

namespace gemvec::cli {

// "NAME: cannot VERB: REASON." ENOENT becomes kNotFound, everything else kIo.
Error os_error(std::string_view verb, std::string_view name, int errno_value);

}  // namespace gemvec::cli
