#include "server/api/encode.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <cstring>

namespace gemvec::server {

namespace {

// From here on fmt writes an exponent; below it a float32 is at most "-1234567900000000.0", and a comma.
constexpr float kExponentFrom = 1e16F;
constexpr std::size_t kFloatChars = 20;

struct NamedForm {
  std::string_view name;
  VectorForm form;
};
constexpr std::array kForms = {
    NamedForm{"float", VectorForm::kFloat},   NamedForm{"base64", VectorForm::kBase64},
    NamedForm{"int8", VectorForm::kInt8},     NamedForm{"uint8", VectorForm::kUint8},
    NamedForm{"binary", VectorForm::kBinary}, NamedForm{"ubinary", VectorForm::kUbinary},
};

struct Sequence {
  std::size_t length;  // bytes, at least 1
  bool valid;
};

// The character that begins at `at`, or the longest piece that could have begun one.
Sequence next_character(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = byte(at);
  if (first < 0x80) return {1, true};
  if (first < 0xC2 || first > 0xF4) return {1, false};
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  // Of the second byte some values would spell a surrogate, a number past the last one, or a shorter form.
  const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (byte(at + 1) < low || byte(at + 1) > high) return {1, false};
  for (std::size_t i = 2; i < length; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80U) return {i, false};
  }
  return {length, true};
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Sequence next = next_character(text, at);
    if (next.valid) {
      out += text.substr(at, next.length);
    } else {
      out += "\xEF\xBF\xBD";
    }
    at += next.length;
  }
  return out;
}

std::vector<int> sign_bits(std::span<const float> values) {
  std::vector<int> bytes((values.size() + 7) / 8);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] > 0) bytes[i / 8] |= 0x80 >> (i % 8);
  }
  return bytes;
}

}  // namespace

void append_string(std::string& out, std::string_view text) { out += json_string(text); }

std::string json_string(std::string_view text) { return boost::json::serialize(valid_utf8(text)); }

void append_floats(std::string& out, std::span<const float> values) {
  const std::size_t begin = out.size();
  out.resize(begin + values.size() * kFloatChars + 2);
  char* at = out.data() + begin;
  *at++ = '[';
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i != 0) *at++ = ',';
    if (std::isfinite(values[i])) {
      at = fmt::format_to(at, FMT_COMPILE("{}"), values[i]);
      // A whole number says that it is a float, as serde's do: "-0" would read back as the integer 0.
      if (std::trunc(values[i]) == values[i] && std::fabs(values[i]) < kExponentFrom)
        at = std::copy_n(".0", 2, at);
    } else {
      at = std::copy_n("null", 4, at);
    }
  }
  *at++ = ']';
  out.resize(static_cast<std::size_t>(at - out.data()));
}

void append_rows(std::string& out, std::span<const float> values, std::size_t width) {
  out += '[';
  for (std::size_t at = 0; at + width <= values.size(); at += width) {
    if (at != 0) out += ',';
    append_floats(out, values.subspan(at, width));
  }
  out += ']';
}

void append_base64(std::string& out, std::span<const float> values) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::size_t size = values.size() * sizeof(float);
  const auto byte = [&](std::size_t i) -> unsigned {
    if (i >= size) return 0;
    const auto bits = std::bit_cast<std::uint32_t>(values[i / 4]);
    return (bits >> (8 * (i % 4))) & 0xFFU;
  };
  out.reserve(out.size() + (size + 2) / 3 * 4 + 2);
  out += '"';
  for (std::size_t i = 0; i < size; i += 3) {
    const unsigned group = byte(i) << 16U | byte(i + 1) << 8U | byte(i + 2);
    out += kAlphabet[group >> 18U];
    out += kAlphabet[group >> 12U & 63U];
    out += i + 1 < size ? kAlphabet[group >> 6U & 63U] : '=';
    out += i + 2 < size ? kAlphabet[group & 63U] : '=';
  }
  out += '"';
}

std::optional<VectorForm> parse_form(std::string_view name) {
  for (const NamedForm& form : kForms) {
    if (form.name == name) return form.form;
  }
  return std::nullopt;
}

const std::vector<std::string_view>& form_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> list;
    for (const NamedForm& form : kForms) list.push_back(form.name);
    return list;
  }();
  return names;
}

std::vector<int> quantize(std::span<const float> values, VectorForm form) {
  if (form == VectorForm::kBinary || form == VectorForm::kUbinary) {
    std::vector<int> bytes = sign_bits(values);
    for (int& byte : bytes) byte -= form == VectorForm::kBinary ? 128 : 0;
    return bytes;
  }
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  const float scale = largest > 0 && std::isfinite(largest) ? 127.0F / largest : 0.0F;
  const int zero = form == VectorForm::kUint8 ? 128 : 0;
  std::vector<int> codes(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float code = std::isfinite(values[i]) ? std::nearbyint(values[i] * scale) : 0.0F;
    codes[i] = zero + std::clamp(static_cast<int>(code), -127, 127);
  }
  return codes;
}

void append_vector(std::string& out, std::span<const float> values, VectorForm form) {
  if (form == VectorForm::kFloat) return append_floats(out, values);
  if (form == VectorForm::kBase64) return append_base64(out, values);
  out += '[';
  bool first = true;
  for (const int code : quantize(values, form)) {
    if (!first) out += ',';
    first = false;
    fmt::format_to(std::back_inserter(out), FMT_COMPILE("{}"), code);
  }
  out += ']';
}

}  // namespace gemvec::server
