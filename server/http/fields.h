// The small grammars inside a request's target and fields. HTTP itself is Beast's to parse; what these
// functions read is what it hands over as a string. All of it is written by strangers: nothing here allocates
// more than its input or fails otherwise than by saying no.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gemvec::server {

// Equal but for the case of ASCII letters, whatever the locale.
[[nodiscard]] bool same_letters(std::string_view a, std::string_view b);

struct Target {
  std::string_view authority;  // of the absolute form, as proxies send it; else empty
  std::string_view path;       // begins with "/", or is "*" or (of CONNECT) anything
  std::string_view query;      // without "?"
};
[[nodiscard]] Target split_target(std::string_view target);

// Percent-decoding. Nothing if an escape is damaged or the result is not UTF-8 or holds control characters:
// paths end up in messages and logs.
[[nodiscard]] std::optional<std::string> decode_path(std::string_view path);

// The name or address of "name", "name:80", "127.0.0.1:80", "[::1]:80" (brackets and port left out); nothing
// if it is none of these.
[[nodiscard]] std::optional<std::string_view> host_of(std::string_view host_and_port);

// "localhost" or an address of this machine's loopback interface.
[[nodiscard]] bool is_loopback_host(std::string_view host);

// What comes after "://" of "scheme://name:80": the Host that a page of this origin has.
[[nodiscard]] std::string_view authority_of_origin(std::string_view origin);

// A `traceparent` as W3C Trace Context defines it.
[[nodiscard]] bool is_traceparent(std::string_view value);

// 1 to 128 printable ASCII characters without spaces: what a client's x-request-id may be to be taken over.
[[nodiscard]] bool is_request_id(std::string_view value);

// Free of what would end a header early (CR, LF, NUL and other control characters).
[[nodiscard]] bool is_field_value(std::string_view value);

}  // namespace gemvec::server
