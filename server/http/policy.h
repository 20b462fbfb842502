// Who may ask: keys, hosts and origins.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/message.h"
#include "server/options.h"

namespace gemvec::server {

// Thread-safe: nothing changes after construction.
class Policy {
 public:
  // `loopback`: the server listens on an address that only this machine reaches.
  Policy(const HttpOptions& options, bool loopback);

  // Is one of the keys in `authorization: Bearer` or `x-api-key`? Always, if the server has no keys. Takes
  // the same time whichever key is offered, and however much of it is right.
  [[nodiscard]] bool key_accepted(const HttpRequest& request) const;

  // On a loopback bind, only names of this machine and those that the user allowed. A page of another site
  // can point its own name at 127.0.0.1 (DNS rebinding): to the browser that server is then the page's own
  // origin, which it may read from without CORS. But the browser sends that name as Host, and so gives it
  // away.
  [[nodiscard]] bool host_accepted(std::string_view host_field) const;

  // May a page of this origin change something? CORS keeps pages of other sites from reading answers, not
  // from sending simple requests. Who listed origins on a loopback bind meant the others to be kept out, so
  // these are refused. Without a list nothing is: everybody may ask then (TEI's default), or nobody can
  // without a key.
  [[nodiscard]] bool origin_accepted(const HttpRequest& request) const;

  // The headers that let a page of this origin read the answer; `preflight` adds those that let it ask.
  [[nodiscard]] std::vector<Header> cors(std::string_view origin, bool preflight) const;

 private:
  using Digest = std::array<unsigned char, 32>;  // SHA-256: all of one length, so that lengths do not leak

  [[nodiscard]] bool is_key(std::string_view offered) const;
  [[nodiscard]] bool is_listed(std::string_view origin) const;

  std::vector<Digest> keys_;
  std::vector<std::string> hosts_;
  std::vector<std::string> origins_;
  bool loopback_;
  bool any_origin_;
};

}  // namespace gemvec::server
