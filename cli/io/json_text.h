// Small pieces of JSON text, appended to a string.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace gemvec::cli {

// The shortest digits that read back as the same float32.
void append_float(std::string& out, float value);

// "[0.5,-1]"
void append_floats(std::string& out, std::span<const float> values);

// With quotes and escapes. Broken UTF-8 becomes U+FFFD, since JSON has no way to carry it.
void append_string(std::string& out, std::string_view text);

}  // namespace gemvec::cli
