// The small grammars of targets and fields.
#include "server/http/fields.h"

#include <gtest/gtest.h>

#include <string>

namespace gemvec::server {
namespace {

TEST(Fields, LettersAreComparedWithoutCase) {
  EXPECT_TRUE(same_letters("Content-Type", "content-type"));
  EXPECT_FALSE(same_letters("content-type", "content-typ"));
  EXPECT_FALSE(same_letters("[", "{"));  // 0x5b and 0x7b differ in the same bit as letters
}

TEST(Fields, TargetsAreSplitInAllForms) {
  EXPECT_EQ(split_target("/a/b?x=1?y").path, "/a/b");
  EXPECT_EQ(split_target("/a/b?x=1?y").query, "x=1?y");
  EXPECT_EQ(split_target("*").path, "*");
  const Target absolute = split_target("HTTP://example.com:80/a?b");
  EXPECT_EQ(absolute.authority, "example.com:80");
  EXPECT_EQ(absolute.path, "/a");
  EXPECT_EQ(absolute.query, "b");
  EXPECT_EQ(split_target("http://example.com").path, "/");
  EXPECT_EQ(split_target("http://example.com?b").path, "/");
  EXPECT_EQ(split_target("http://example.com?b").query, "b");
}

TEST(Fields, PathsAreDecodedOrRefused) {
  EXPECT_EQ(decode_path("/v1/models/a%2Fb%20c"), "/v1/models/a/b c");
  EXPECT_EQ(decode_path("/%c3%A4"), "/\xc3\xa4");
  for (const char* bad : {"/%", "/%4", "/%zz", "/%00", "/%0d%0a", "/%ff", "/%c3", "/%c0%af", "/%ed%a0%80",
                          "/%f4%90%80%80", "/%f8%80%80%80%80", "/%e2%82"}) {
    EXPECT_EQ(decode_path(bad), std::nullopt) << bad;
  }
}

TEST(Fields, HostsLoseTheirPort) {
  EXPECT_EQ(host_of("localhost"), "localhost");
  EXPECT_EQ(host_of("localhost:3000"), "localhost");
  EXPECT_EQ(host_of("127.0.0.1:"), "127.0.0.1");
  EXPECT_EQ(host_of("[::1]:3000"), "::1");
  EXPECT_EQ(host_of("[::1]"), "::1");
  for (const char* bad :
       {"", ":80", "[::1", "[::1]x", "[]", "[::1]:x", "a b", "a:b", "::1", "a/b", "a@b", "a:123456"}) {
    EXPECT_EQ(host_of(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(host_of(std::string(300, 'a')), std::nullopt);
}

TEST(Fields, LoopbackHostsAreKnown) {
  for (const char* host : {"localhost", "LocalHost", "127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(is_loopback_host(host)) << host;
  }
  for (const char* host : {"", "example.com", "localhost.example.com", "0.0.0.0", "10.0.0.1",
                           "::", "::ffff:10.0.0.1", "127.0.0.1.example.com", "2130706433"}) {
    EXPECT_FALSE(is_loopback_host(host)) << host;
  }
  EXPECT_FALSE(is_loopback_host(std::string_view("127.0.0.1\0x", 11)));
}

TEST(Fields, TraceparentsAreChecked) {
  const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  EXPECT_TRUE(is_traceparent(good));
  EXPECT_TRUE(is_traceparent("cc" + good.substr(2) + "-later"));
  for (const std::string& bad :
       {std::string(), good.substr(1), good + "-x", good + "x", "ff" + good.substr(2),
        "cc" + good.substr(2) + "x", std::string("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"),
        "00-" + std::string(32, '0') + good.substr(35), good.substr(0, 36) + std::string(16, '0') + "-01",
        "cc" + good.substr(2) + "-" + std::string(100, 'a')}) {
    EXPECT_FALSE(is_traceparent(bad)) << bad;
  }
}

TEST(Fields, RequestIdsAreShortAndPrintable) {
  EXPECT_TRUE(is_request_id("a"));
  EXPECT_TRUE(is_request_id(std::string(128, '~')));
  EXPECT_FALSE(is_request_id(""));
  EXPECT_FALSE(is_request_id(std::string(129, 'a')));
  EXPECT_FALSE(is_request_id("a b"));
  EXPECT_FALSE(is_request_id("a\xc3\xa4"));
}

TEST(Fields, ValuesStayOnTheirLine) {
  EXPECT_TRUE(is_field_value("a\tb \xc3\xa4"));
  EXPECT_FALSE(is_field_value("a\r\nset-cookie: b"));
  EXPECT_EQ(authority_of_origin("https://example.com:8080"), "example.com:8080");
  EXPECT_EQ(authority_of_origin("null"), "");
}

}  // namespace
}  // namespace gemvec::server
