// Which route answers which request.
#include "server/http/router.h"

#include <gtest/gtest.h>

namespace gemvec::server {
namespace {

Router routes() {
  Router router;
  const Handler nothing = [](const std::shared_ptr<const HttpRequest>&, const Respond&) {};
  router.add("GET", "/", Access::kPublic, nothing);
  router.add("POST", "/", Access::kKey, nothing);
  router.add("GET", "/v1/models", Access::kKey, nothing);
  router.add("GET", "/v1/models/*", Access::kKey, nothing);
  router.add("POST", "/v1/models/special", Access::kKey, nothing);
  router.add("GET", "/v1/*", Access::kPublic, nothing);
  return router;
}

TEST(Router, PathsMatchThemselves) {
  const Router router = routes();
  EXPECT_NE(router.match("GET", "/").handler, nullptr);
  EXPECT_EQ(router.match("GET", "/").access, Access::kPublic);
  EXPECT_EQ(router.match("POST", "/").access, Access::kKey);
  EXPECT_EQ(router.match("GET", "/v1/models").pattern, "/v1/models");
  EXPECT_EQ(router.match("GET", "/V1/models").status, 404U);
  EXPECT_EQ(router.match("GET", "/nothing").status, 404U);
  EXPECT_EQ(router.match("GET", "").status, 404U);
}

TEST(Router, AStarTakesWhatFollowsIfSomethingDoes) {
  const Router router = routes();
  EXPECT_EQ(router.match("GET", "/v1/models/a/b").pattern, "/v1/models/*");
  EXPECT_EQ(router.match("GET", "/v1/models/").pattern, "/v1/*");
  EXPECT_EQ(router.match("GET", "/v1/").status, 404U);
}

TEST(Router, TheClosestPatternDecides) {
  const Router router = routes();
  const auto match = router.match("GET", "/v1/models/special");
  EXPECT_EQ(match.status, 405U);
  EXPECT_EQ(match.handler, nullptr);
  EXPECT_EQ(match.allow, "POST");
  EXPECT_EQ(match.pattern, "/v1/models/special");
}

TEST(Router, TheMethodsOfAPathAreNamed) {
  const Router router = routes();
  const auto match = router.match("DELETE", "/");
  EXPECT_EQ(match.status, 405U);
  EXPECT_EQ(match.allow, "GET,HEAD,POST");
}

TEST(Message, HeadersAreFoundInAnyCase) {
  HttpRequest request;
  request.headers = {{"Content-Type", "a"}, {"content-type", "b"}};
  EXPECT_EQ(request.header("CONTENT-TYPE"), "a");
  EXPECT_EQ(request.header("accept"), "");
}

}  // namespace
}  // namespace gemvec::server
