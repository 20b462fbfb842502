// The small grammars inside a request's target and fields.
#include "server/http/fields.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>

namespace gemvec::server {
namespace {

constexpr std::size_t kLongestRequestId =
    128;                                   // twice a SHA-256 in hexadecimal; ids end up in every log line
constexpr std::size_t kLongestHost = 255;  // RFC 1035: of a domain name

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The digit's value, or -1.
int hex(char c) {
  if (is_digit(c)) return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

bool is_zero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// How long the UTF-8 sequence at the beginning of `text` is; 0 if there is no valid one. Ranges: Unicode,
// table 3-7.
std::size_t sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  unsigned low = 0x80, high = 0xbf;
  if (first == 0xe0) low = 0xa0;   // no longer than needed
  if (first == 0xed) high = 0x9f;  // no surrogates
  if (first == 0xf0) low = 0x90;
  if (first == 0xf4) high = 0x8f;  // nothing beyond U+10FFFF
  if (at(1) < low || at(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((at(i) & 0xc0U) != 0x80) return 0;
  }
  return length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

bool is_port(std::string_view text) {
  return text.size() <= 5 && std::all_of(text.begin(), text.end(), is_digit);  // empty is allowed: "name:"
}

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '.' || c == '-' || c == '_';
  });
}

bool is_ipv6(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return hex(c) >= 0 || c == ':' || c == '.'; });
}

}  // namespace

bool same_letters(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

Target split_target(std::string_view target) {
  Target parts;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!same_letters(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    parts.authority = target.substr(0, target.find_first_of("/?"));
    target.remove_prefix(parts.authority.size());
    if (target.empty() || target.front() == '?') parts.path = "/";
    break;
  }
  const std::size_t mark = target.find('?');
  if (parts.path.empty()) parts.path = target.substr(0, mark);
  if (mark != std::string_view::npos) parts.query = target.substr(mark + 1);
  return parts;
}

std::optional<std::string> decode_path(std::string_view path) {
  std::string decoded;
  decoded.reserve(path.size());
  for (std::size_t i = 0; i < path.size(); ++i) {
    char c = path[i];
    if (c == '%') {
      if (path.size() - i < 3) return std::nullopt;
      const int high = hex(path[i + 1]), low = hex(path[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (is_control(c)) return std::nullopt;
    decoded += c;
  }
  if (!is_utf8(decoded)) return std::nullopt;
  return decoded;
}

std::optional<std::string_view> host_of(std::string_view text) {
  if (text.size() > kLongestHost) return std::nullopt;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view rest = text.substr(end + 1), address = text.substr(1, end - 1);
    if (!rest.empty() && (rest.front() != ':' || !is_port(rest.substr(1)))) return std::nullopt;
    return is_ipv6(address) ? std::optional(address) : std::nullopt;
  }
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && !is_port(text.substr(colon + 1))) return std::nullopt;
  const std::string_view name = text.substr(0, colon);
  return is_name(name) ? std::optional(name) : std::nullopt;
}

bool is_loopback_host(std::string_view host) {
  if (same_letters(host, "localhost")) return true;
  if (!is_name(host) && !is_ipv6(host)) return false;  // so that no byte is lost on the way to a C string
  boost::system::error_code failed;
  const auto address = boost::asio::ip::make_address(std::string(host), failed);
  if (failed) return false;
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6()).is_loopback();
  }
  return address.is_loopback();
}

std::string_view authority_of_origin(std::string_view origin) {
  constexpr std::string_view kMark = "://";
  const std::size_t mark = origin.find(kMark);
  return mark == std::string_view::npos ? std::string_view{} : origin.substr(mark + kMark.size());
}

bool is_traceparent(std::string_view value) {
  // version-trace-parent-flags: 2, 32, 16 and 2 digits. Later versions may append "-...".
  constexpr std::size_t kSize = 55;
  if (value.size() < kSize || value[2] != '-' || value[35] != '-' || value[52] != '-') return false;
  const std::string_view version = value.substr(0, 2), trace = value.substr(3, 32),
                         parent = value.substr(36, 16);
  if (!is_lower_hex(version) || !is_lower_hex(trace) || !is_lower_hex(parent)) return false;
  if (!is_lower_hex(value.substr(53, 2)) || version == "ff" || is_zero(trace) || is_zero(parent))
    return false;
  if (value.size() == kSize) return true;
  // As long as an id may be, too: it is sent back.
  return version != "00" && value[kSize] == '-' && is_request_id(value);
}

bool is_request_id(std::string_view value) {
  return !value.empty() && value.size() <= kLongestRequestId &&
         std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

bool is_field_value(std::string_view value) {
  return std::none_of(value.begin(), value.end(), [](char c) { return is_control(c) && c != '\t'; });
}

}  // namespace gemvec::server
