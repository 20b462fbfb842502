// Which handler answers which path, and who may call it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/http/message.h"

namespace gemvec::server {

enum class Access {
  kPublic,  // health, metrics, documentation, the page
  kKey,     // asks for the key, if the server has one
};

class Router {
 public:
  // `path` matches itself; one that ends in "/*" matches whatever follows the slash, if something does.
  void add(std::string_view method, std::string_view path, Access access, Handler handler);

  struct Match {
    const Handler* handler = nullptr;  // null: status says why
    Access access = Access::kKey;
    std::string_view pattern;  // as it was added; for metrics and logs, which must not hold what clients type
    unsigned status = 404;     // 404, or 405 and then `allow` lists the methods
    std::string allow;
  };
  [[nodiscard]] Match match(std::string_view method, std::string_view path) const;

 private:
  struct Route {
    std::string method;
    std::string pattern;
    Access access;
    Handler handler;
  };
  std::vector<Route> routes_;
};

}  // namespace gemvec::server
