// Keys, hosts and origins.
#include "server/http/policy.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "server/http/fields.h"

namespace gemvec::server {
namespace {

HttpRequest request_with(std::vector<Header> headers) {
  HttpRequest request;
  request.method = "POST";
  request.headers = std::move(headers);
  return request;
}

std::string allowed(const Policy& policy, std::string_view origin) {
  for (const Header& header : policy.cors(origin, false)) {
    if (header.name == "access-control-allow-origin") return header.value;
  }
  return "";
}

TEST(Policy, AnyOfTheKeysOpens) {
  HttpOptions options;
  options.api_keys = {"first", "second"};
  const Policy policy(options, true);
  EXPECT_TRUE(policy.key_accepted(request_with({{"Authorization", "Bearer first"}})));
  EXPECT_TRUE(policy.key_accepted(request_with({{"authorization", "bearer second"}})));
  EXPECT_TRUE(policy.key_accepted(request_with({{"X-Api-Key", "second"}})));
  EXPECT_TRUE(policy.key_accepted(request_with({{"authorization", "Basic abc"}, {"x-api-key", "first"}})));
  for (const char* bad : {"", "Bearer", "Bearer ", "Bearer firs", "Bearer first ", "Bearer firstsecond",
                          "first", "Basic first", "Bearer First"}) {
    EXPECT_FALSE(policy.key_accepted(request_with({{"authorization", bad}}))) << bad;
  }
  EXPECT_FALSE(policy.key_accepted(request_with({})));
  EXPECT_TRUE(Policy(HttpOptions{}, true).key_accepted(request_with({})));
}

TEST(Policy, OnLoopbackOnlyNamesOfThisMachineAreHosts) {
  HttpOptions options;
  options.hostname = "my-machine";
  options.allowed_hosts = {"proxy.example.com"};
  const Policy policy(options, true);
  for (const char* good :
       {"localhost", "localhost:3000", "127.0.0.1:80", "[::1]:80", "MY-MACHINE", "proxy.example.com:1"}) {
    EXPECT_TRUE(policy.host_accepted(good)) << good;
  }
  for (const char* bad :
       {"", "example.com", "localhost.example.com", "example.com:127.0.0.1", "192.168.0.1"}) {
    EXPECT_FALSE(policy.host_accepted(bad)) << bad;
  }
  EXPECT_TRUE(Policy(options, false).host_accepted("example.com"));
}

TEST(Policy, AnyOriginIsAllowedUnlessThereIsAKey) {
  HttpOptions options;
  EXPECT_EQ(allowed(Policy(options, true), ""), "*");
  EXPECT_EQ(allowed(Policy(options, true), "https://example.com"), "*");
  options.api_keys = {"key"};
  EXPECT_TRUE(Policy(options, true).cors("https://example.com", true).empty());
  options.cors_allow_origin = {"https://example.org", "*"};
  EXPECT_EQ(allowed(Policy(options, true), "https://example.com"), "*");
}

TEST(Policy, AListedOriginIsReflected) {
  HttpOptions options;
  options.cors_allow_origin = {"https://example.com", "https://example.org"};
  const Policy policy(options, true);
  EXPECT_EQ(allowed(policy, "https://example.org"), "https://example.org");
  EXPECT_EQ(allowed(policy, "https://example.org:81"), "");
  EXPECT_EQ(allowed(policy, ""), "");
  for (const char* origin : {"https://example.org", "https://example.invalid"}) {
    const auto headers = policy.cors(origin, false);
    EXPECT_TRUE(std::any_of(headers.begin(), headers.end(), [](const Header& header) {
      return header.name == "vary" && header.value == "origin";
    }));
  }
}

TEST(Policy, AnUnlistedOriginChangesNothingOnLoopback) {
  HttpOptions options;
  options.cors_allow_origin = {"https://example.com"};
  const Policy policy(options, true);
  const Header host{"host", "localhost:3000"};
  EXPECT_TRUE(policy.origin_accepted(request_with({host})));
  EXPECT_TRUE(policy.origin_accepted(request_with({host, {"origin", "https://example.com"}})));
  EXPECT_TRUE(policy.origin_accepted(request_with({host, {"origin", "http://localhost:3000"}})));
  EXPECT_FALSE(policy.origin_accepted(request_with({host, {"origin", "http://localhost:3001"}})));
  EXPECT_FALSE(policy.origin_accepted(request_with({host, {"origin", "null"}})));
  HttpRequest read = request_with({host, {"origin", "null"}});
  read.method = "GET";
  EXPECT_TRUE(policy.origin_accepted(read));
  EXPECT_TRUE(Policy(options, false).origin_accepted(request_with({host, {"origin", "null"}})));
  EXPECT_TRUE(Policy(HttpOptions{}, true).origin_accepted(request_with({host, {"origin", "null"}})));
}

}  // namespace
}  // namespace gemvec::server
