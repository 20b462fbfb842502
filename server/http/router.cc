// Finds the route of a request. A server has a few dozen routes, so they are simply looked through.
#include "server/http/router.h"

#include <utility>

namespace gemvec::server {
namespace {

constexpr std::string_view kRest = "/*";

bool is_open(std::string_view pattern) { return pattern.ends_with(kRest); }

bool fits(std::string_view pattern, std::string_view path) {
  if (!is_open(pattern)) return pattern == path;
  pattern.remove_suffix(1);  // what is left ends in the slash
  return path.size() > pattern.size() && path.starts_with(pattern);
}

// Of two patterns that fit the same path: is the first one more exact?
bool is_closer(std::string_view a, std::string_view b) {
  if (is_open(a) != is_open(b)) return is_open(b);
  return a.size() > b.size();
}

void add_method(std::string& allow, std::string_view method) {
  if (!allow.empty()) allow += ',';
  allow += method;
  if (method == "GET") allow += ",HEAD";  // the connection answers HEAD wherever GET is answered
}

}  // namespace

void Router::add(std::string_view method, std::string_view path, Access access, Handler handler) {
  routes_.push_back({std::string(method), std::string(path), access, std::move(handler)});
}

Router::Match Router::match(std::string_view method, std::string_view path) const {
  // The closest pattern decides, whatever its methods: "/models/a" with POST only is not reached by GET
  // through
  // "/models/*".
  const Route* closest = nullptr;
  for (const Route& route : routes_) {
    if (!fits(route.pattern, path)) continue;
    if (closest == nullptr || is_closer(route.pattern, closest->pattern)) closest = &route;
  }
  Match match;
  if (closest == nullptr) return match;
  match.pattern = closest->pattern;
  for (const Route& route : routes_) {
    if (route.pattern != closest->pattern) continue;
    if (route.method == method) {
      match.handler = &route.handler;
      match.access = route.access;
      match.status = 200;
      match.allow.clear();
      return match;
    }
    add_method(match.allow, route.method);
  }
  match.status = 405;
  return match;
}

}  // namespace gemvec::server
