// Strings out of a file, made fit for an error message.
#pragma once

#include <string>
#include <string_view>

namespace gemvec::base {

// "text" in double quotes on one line of valid UTF-8: control characters and broken bytes become \xNN,
// and what goes beyond 80 bytes becomes "...".
std::string quote(std::string_view text);

}  // namespace gemvec::base
