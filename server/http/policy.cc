// Who may ask: keys, hosts and origins.
#include "server/http/policy.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>

#include "server/http/fields.h"

namespace gemvec::server {
namespace {

constexpr std::string_view kBearer = "Bearer ";

bool holds(const std::vector<std::string>& list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

std::array<unsigned char, 32> digest_of(std::string_view key) {
  std::array<unsigned char, 32> digest{};
  static_assert(SHA256_DIGEST_LENGTH == digest.size());
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  return digest;
}

}  // namespace

Policy::Policy(const HttpOptions& options, bool loopback)
    : hosts_(options.allowed_hosts),
      origins_(options.cors_allow_origin),
      loopback_(loopback),
      // TEI's default is any. With a key that would let every page try keys on behalf of its reader.
      any_origin_(holds(options.cors_allow_origin, "*") ||
                  (options.cors_allow_origin.empty() && options.api_keys.empty())) {
  for (const std::string& key : options.api_keys) keys_.push_back(digest_of(key));
  hosts_.push_back(options.hostname);
}

bool Policy::is_key(std::string_view offered) const {
  const Digest digest = digest_of(offered);
  int opened = 0;
  for (const Digest& key : keys_) opened |= CRYPTO_memcmp(key.data(), digest.data(), key.size()) == 0;
  return opened != 0;
}

bool Policy::key_accepted(const HttpRequest& request) const {
  if (keys_.empty()) return true;
  const std::string_view authorization = request.header("authorization");
  // The scheme's case is free (RFC 9110, 11.1).
  if (same_letters(authorization.substr(0, kBearer.size()), kBearer) &&
      is_key(authorization.substr(kBearer.size()))) {
    return true;
  }
  const std::string_view key = request.header("x-api-key");
  return !key.empty() && is_key(key);
}

bool Policy::host_accepted(std::string_view host_field) const {
  if (!loopback_) return true;
  const auto host = host_of(host_field);
  if (!host) return false;
  if (is_loopback_host(*host)) return true;
  return std::any_of(hosts_.begin(), hosts_.end(),
                     [&](const std::string& allowed) { return same_letters(allowed, *host); });
}

bool Policy::is_listed(std::string_view origin) const { return any_origin_ || holds(origins_, origin); }

bool Policy::origin_accepted(const HttpRequest& request) const {
  const std::string_view origin = request.header("origin");
  if (!loopback_ || origins_.empty() || origin.empty() || request.method == "GET") return true;
  return is_listed(origin) || same_letters(authority_of_origin(origin), request.header("host"));
}

std::vector<Header> Policy::cors(std::string_view origin, bool preflight) const {
  std::vector<Header> headers;
  if (!any_origin_ && origins_.empty()) return headers;
  if (!any_origin_)
    headers.push_back({"vary", "origin"});  // whether it matches or not: caches keep them apart
  if (any_origin_) {
    headers.push_back({"access-control-allow-origin", "*"});
  } else if (!origin.empty() && is_listed(origin)) {
    headers.push_back({"access-control-allow-origin", std::string(origin)});
  }
  if (preflight) {
    headers.push_back({"access-control-allow-methods", "GET,POST"});
    headers.push_back({"access-control-allow-headers", "content-type,authorization,x-api-key"});
  }
  return headers;
}

}  // namespace gemvec::server
