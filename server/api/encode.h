// Vectors and texts as they are written into answers, appended to one growing string.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gemvec::server {

// With quotes and escapes. Bytes that are not UTF-8 become U+FFFD, one for each longest beginning of a
// character.
void append_string(std::string& out, std::string_view text);
std::string json_string(std::string_view text);

// "[0.1,-1e-05]": the shortest digits that read back as the same float32. JSON knows no infinity and no NaN:
// those become null.
void append_floats(std::string& out, std::span<const float> values);
// "[[...],[...]]": rows of `width`.
void append_rows(std::string& out, std::span<const float> values, std::size_t width);

// With quotes: standard alphabet, padded, of the float32 in little-endian order.
void append_base64(std::string& out, std::span<const float> values);

// The forms in which OpenAI's, Cohere's and Jina's clients ask for a vector.
enum class VectorForm { kFloat, kBase64, kInt8, kUint8, kBinary, kUbinary };

// "float", "base64", "int8", "uint8", "binary", "ubinary"
std::optional<VectorForm> parse_form(std::string_view name);
const std::vector<std::string_view>& form_names();

// int8: round(v * 127 / max|v|), a scale of its own for every vector, so that cosines of these codes differ
// from those of the vector by rounding only, and no range has to be learned from anybody's data. uint8: the
// same + 128. ubinary: the signs (1 for v > 0), eight to a byte, the first in the highest bit, the last byte
// filled up with zeros. binary: ubinary - 128.
std::vector<int> quantize(std::span<const float> values, VectorForm form);

// In any of the forms, as a JSON value.
void append_vector(std::string& out, std::span<const float> values, VectorForm form);

}  // namespace gemvec::server
