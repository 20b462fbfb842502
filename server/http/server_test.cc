// Requests and answers over plain connections.
#include "server/http/server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "server/http/fields.h"
#include "server/http/http_testing.h"

namespace gemvec::server {
namespace {

using namespace std::chrono_literals;
using testing::Awaited;
using testing::Client;
using testing::field;
using testing::get;
using testing::post;
using testing::start;
using testing::status;
using testing::usual_options;
using testing::usual_routes;

// Threads that handlers begin. Outlives the server: until it has ended, there may be another.
class Threads {
 public:
  ~Threads() {
    for (std::thread& thread : threads_) thread.join();
  }
  template <class Work>
  void begin(Work work) {
    const std::lock_guard lock(mutex_);
    threads_.emplace_back(std::move(work));
  }

 private:
  std::mutex mutex_;
  std::vector<std::thread> threads_;
};

TEST(Server, AConnectionServesManyRequests) {
  const auto server = start();
  Client client(server->port());
  for (int i = 0; i < 20; ++i) {
    const std::string body(static_cast<std::size_t>(i) * 997, 'x');
    const auto answer = client.ask(post("/echo", body));
    ASSERT_EQ(status(answer), 200U);
    EXPECT_EQ(answer->body(), body);
    EXPECT_EQ(field(answer, "content-length"), std::to_string(body.size()));
    EXPECT_EQ(field(answer, "content-type"), "text/plain");
    EXPECT_TRUE(is_request_id(field(answer, "x-request-id")));
  }
}

TEST(Server, PipelinedRequestsAreAnsweredInOrder) {
  Router router = usual_routes();
  Threads threads;
  router.add("POST", "/slow", Access::kKey,
             [&threads](const std::shared_ptr<const HttpRequest>& request, const Respond& respond) {
               threads.begin([request, respond] {
                 std::this_thread::sleep_for(50ms);
                 respond({.status = 200, .body = request->body});
               });
             });
  const auto server = start(usual_options(), std::move(router));
  Client client(server->port());
  client.send(post("/slow", "1") + get("/hello") + post("/echo", "3") + get("/nothing") + post("/slow", "5"));
  for (const char* expected : {"1", "hello", "3", "", "5"}) {
    const auto answer = client.receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->body(), expected);
  }
}

TEST(Server, HeadIsGetWithoutBody) {
  const auto server = start();
  Client client(server->port());
  client.send("HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto head = client.receive(true);
  EXPECT_EQ(status(head), 200U);
  EXPECT_EQ(field(head, "content-length"), "5");
  EXPECT_EQ(client.ask(get("/hello"))->body(), "hello");
}

TEST(Server, HandlersSeeTheRequest) {
  Router router;
  Awaited<HttpRequest> seen;
  router.add("POST", "/models/*", Access::kKey,
             [&](const std::shared_ptr<const HttpRequest>& request, const Respond& respond) {
               seen.set(*request);
               respond({.status = 201, .headers = {{"x-a", "1"}, {"x-bad", "a\r\nb: c"}}});
             });
  const auto server = start(usual_options(), std::move(router));
  Client client(server->port());
  const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const auto answer = client.ask(
      post("/models/a%20b?c=%20", "body", "X-Request-Id: my-id\r\ntraceparent: " + trace + "\r\n"));
  EXPECT_EQ(status(answer), 201U);
  EXPECT_EQ(field(answer, "x-a"), "1");
  EXPECT_EQ(field(answer, "x-bad"), "");
  EXPECT_EQ(field(answer, "x-request-id"), "my-id");
  EXPECT_EQ(field(answer, "traceparent"), trace);
  EXPECT_EQ(field(answer, "content-length"), "0");
  const auto request = seen.get();
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->method, "POST");
  EXPECT_EQ(request->path, "/models/a b");
  EXPECT_EQ(request->query, "c=%20");
  EXPECT_EQ(request->body, "body");
  EXPECT_EQ(request->id, "my-id");
  EXPECT_EQ(request->remote.substr(0, 10), "127.0.0.1:");
  EXPECT_EQ(request->header("host"), "localhost");
}

TEST(Server, WhatNoRouteAnswersIsRefusedAndTheConnectionGoesOn) {
  const auto server = start();
  Client client(server->port());
  const auto unknown = client.ask(get("/nothing"));
  EXPECT_EQ(status(unknown), 404U);
  EXPECT_EQ(unknown->body(), "");
  const auto wrong = client.ask(post("/hello", "a body nobody wants"));
  EXPECT_EQ(status(wrong), 405U);
  EXPECT_EQ(field(wrong, "allow"), "GET,HEAD");
  EXPECT_EQ(wrong->body(), "");
  EXPECT_EQ(status(client.ask(get("/%ff"))), 400U);
  EXPECT_EQ(status(client.ask(get("/hello"))), 200U);
}

TEST(Server, AKeyIsAskedForWhereTheRouteSaysSo) {
  HttpOptions options = usual_options();
  options.api_keys = {"key"};
  const auto server = start(options);
  Client client(server->port());
  EXPECT_EQ(status(client.ask(get("/hello"))), 200U);
  const auto refused = client.ask(get("/info"));
  EXPECT_EQ(status(refused), 401U);
  EXPECT_EQ(refused->body(), "");
  EXPECT_EQ(field(refused, "access-control-allow-origin"), "");
  EXPECT_EQ(status(client.ask(get("/info", "Authorization: Bearer key\r\n"))), 200U);
  EXPECT_EQ(status(client.ask(get("/info", "X-Api-Key: key\r\n"))), 200U);
}

TEST(Server, ForeignHostsAreRefusedOnLoopback) {
  const auto server = start();
  Client client(server->port());
  EXPECT_EQ(status(client.ask("GET /hello HTTP/1.1\r\nHost: example.com\r\n\r\n")), 403U);
  EXPECT_EQ(status(client.ask("GET /hello HTTP/1.1\r\nHost: [::1]:80\r\n\r\n")), 200U);
  EXPECT_EQ(status(client.ask("GET http://localhost/hello HTTP/1.1\r\nHost: localhost\r\n\r\n")), 200U);
  EXPECT_EQ(status(client.ask("GET /hello HTTP/1.1\r\n\r\n")), 400U);
  EXPECT_TRUE(client.closed());
}

TEST(Server, PagesOfOtherOriginsAreAnsweredAsTheOptionsSay) {
  {
    const auto server = start();
    Client client(server->port());
    const auto preflight = client.ask(
        "OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: https://example.com\r\n"
        "Access-Control-Request-Method: POST\r\n\r\n");
    EXPECT_EQ(status(preflight), 200U);
    EXPECT_EQ(field(preflight, "access-control-allow-origin"), "*");
    EXPECT_EQ(field(preflight, "access-control-allow-methods"), "GET,POST");
    EXPECT_EQ(field(preflight, "access-control-allow-headers"), "content-type,authorization,x-api-key");
    EXPECT_EQ(field(client.ask(get("/nothing")), "access-control-allow-origin"), "*");
  }
  HttpOptions options = usual_options();
  options.cors_allow_origin = {"https://example.com"};
  const auto server = start(options);
  Client client(server->port());
  const auto good = client.ask(post("/echo", "", "Origin: https://example.com\r\n"));
  EXPECT_EQ(status(good), 200U);
  EXPECT_EQ(field(good, "access-control-allow-origin"), "https://example.com");
  EXPECT_EQ(field(good, "vary"), "origin");
  const auto bad = client.ask(post("/echo", "", "Origin: https://example.org\r\n"));
  EXPECT_EQ(status(bad), 403U);
  EXPECT_EQ(field(bad, "access-control-allow-origin"), "");
}

TEST(Server, AnAnswerMayComeFromAnyThreadOnce) {
  Router router;
  Threads threads;
  router.add("GET", "/", Access::kKey,
             [&](const std::shared_ptr<const HttpRequest>&, const Respond& respond) {
               threads.begin([respond] {
                 respond({.status = 200, .body = "first"});
                 respond({.status = 200, .body = "second"});
               });
             });
  const auto server = start(usual_options(), std::move(router));
  Client client(server->port());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.ask(get("/"))->body(), "first");
}

TEST(Server, HandlersThatFailAreAnswered) {
  Router router;
  router.add("GET", "/never", Access::kKey, [](const std::shared_ptr<const HttpRequest>&, const Respond&) {});
  router.add("GET", "/throws", Access::kPublic,
             [](const std::shared_ptr<const HttpRequest>&, const Respond&) {
               throw std::runtime_error("a secret");
             });
  const auto server = start(usual_options(), std::move(router));
  Client client(server->port());
  for (const char* path : {"/never", "/throws", "/never"}) {
    const auto answer = client.ask(get(path));
    ASSERT_EQ(status(answer), 500U) << path;
    EXPECT_EQ(answer->body(), R"({"error":"internal error","error_type":"Backend"})");
  }
}

TEST(Server, HealthIsAnsweredWhileAllWorkersAreBusy) {
  Router router = usual_routes();
  std::atomic<unsigned> inside{0};
  std::promise<void> release;  // for as long as it takes: workers that gave up would be free for health
  router.add("POST", "/busy", Access::kKey,
             [&inside, released = release.get_future().share()](const std::shared_ptr<const HttpRequest>&,
                                                                const Respond& respond) {
               ++inside;
               released.wait();
               respond({});
             });
  const HttpOptions options = usual_options();
  const auto server = start(options, std::move(router));
  std::vector<std::unique_ptr<Client>> busy;
  for (unsigned i = 0; i < 2 * options.workers; ++i) {
    busy.push_back(std::make_unique<Client>(server->port()));
    busy.back()->send(post("/busy", ""));
  }
  const auto until = std::chrono::steady_clock::now() + testing::kPatience;
  while (inside < options.workers && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(1ms);
  EXPECT_EQ(inside, options.workers);
  Client client(server->port());
  EXPECT_EQ(status(client.ask(get("/health"))), 200U);
  release.set_value();
  for (const auto& each : busy) EXPECT_EQ(status(each->receive()), 200U);
}

TEST(Server, ObserversHearOfEveryAnswerAndConnection) {
  struct Seen {
    std::string pattern;
    unsigned status;
    std::size_t bytes;
  };
  std::mutex mutex;
  std::vector<Seen> answers;
  std::vector<std::size_t> open;
  HttpServer::Observers observers;
  observers.answered = [&](const Exchange& exchange) {
    const std::lock_guard lock(mutex);
    answers.push_back({std::string(exchange.pattern), exchange.status, exchange.bytes});
    EXPECT_GE(exchange.duration.count(), 0);
  };
  observers.connections = [&](std::size_t count) {
    const std::lock_guard lock(mutex);
    open.push_back(count);
  };
  auto server = start(usual_options(), usual_routes(), observers);
  {
    Client client(server->port());
    client.ask(get("/hello"));
    client.ask(get("/typed/by/a/client"));
    client.ask("nonsense\r\n\r\n");
  }
  EXPECT_TRUE(server->stop());
  server.reset();
  ASSERT_EQ(answers.size(), 3U);
  EXPECT_EQ(answers[0].pattern, "/hello");
  EXPECT_EQ(answers[0].bytes, 5U);
  EXPECT_EQ(answers[1].pattern, "");
  EXPECT_EQ(answers[1].status, 404U);
  EXPECT_EQ(answers[2].status, 400U);
  EXPECT_EQ(open, (std::vector<std::size_t>{1, 0}));
}

TEST(Server, TasksRunOnWorkers) {
  const auto server = start();
  Awaited<std::thread::id> ran;
  server->post([] { throw std::runtime_error("is caught"); });
  server->post([&] { ran.set(std::this_thread::get_id()); });
  ASSERT_TRUE(ran.get().has_value());
  EXPECT_NE(*ran.get(), std::this_thread::get_id());
}

TEST(Server, StopAnswersWhatIsInFlightAndNothingElse) {
  Router router = usual_routes();
  Awaited<Respond> waiting;
  router.add(
      "POST", "/wait", Access::kKey,
      [&](const std::shared_ptr<const HttpRequest>&, const Respond& respond) { waiting.set(respond); });
  const auto server = start(usual_options(), std::move(router));
  Client idle(server->port()), busy(server->port());
  EXPECT_EQ(status(idle.ask(get("/hello"))), 200U);
  busy.send(post("/wait", ""));
  const auto respond = waiting.get();
  ASSERT_TRUE(respond.has_value());
  bool all = false;
  std::thread stopping([&] { all = server->stop(); });
  EXPECT_TRUE(idle.closed());
  (*respond)({.status = 200, .body = "late"});
  const auto answer = busy.receive();
  EXPECT_EQ(status(answer), 200U);
  EXPECT_EQ(field(answer, "connection"), "close");
  EXPECT_TRUE(busy.closed());
  boost::system::error_code failed;
  busy.stream.close(failed);
  stopping.join();
  EXPECT_TRUE(all);
  EXPECT_TRUE(server->stop());  // again: nothing to do
  EXPECT_THROW(Client(server->port()), boost::system::system_error);
}

TEST(Server, StopGivesUpAfterItsTimeAndLateAnswersAreHarmless) {
  Router router;
  Awaited<Respond> waiting;
  Awaited<std::shared_ptr<Cancellation>> cancellation;
  router.add("GET", "/wait", Access::kKey,
             [&](const std::shared_ptr<const HttpRequest>& request, const Respond& respond) {
               cancellation.set(request->cancellation);
               waiting.set(respond);
             });
  HttpOptions options = usual_options();
  options.stop_timeout = 50ms;
  auto server = start(options, std::move(router));
  Client client(server->port());
  client.send(get("/wait"));
  auto respond = waiting.get();
  ASSERT_TRUE(respond.has_value());
  EXPECT_FALSE(server->stop());
  EXPECT_TRUE((*cancellation.get())->cancelled());
  (*respond)({.status = 200});
  server.reset();
  (*respond)({.status = 200});
  EXPECT_EQ(client.receive(), std::nullopt);
}

TEST(Server, DestructionNeedsNoStop) {
  Router router;
  Awaited<Respond> waiting;
  router.add(
      "GET", "/wait", Access::kKey,
      [&](const std::shared_ptr<const HttpRequest>&, const Respond& respond) { waiting.set(respond); });
  auto server = start(usual_options(), std::move(router));
  Client client(server->port()), idle(server->port());
  client.send(get("/wait"));
  const auto respond = waiting.get();
  server.reset();
  ASSERT_TRUE(respond.has_value());
  (*respond)({.status = 200});
}

TEST(Server, WhereItCannotListenItSaysWhy) {
  HttpOptions options = usual_options();
  const auto first = start(options);
  options.port = first->port();
  const auto taken = HttpServer::start(options, usual_routes(), {});
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().code, ErrorCode::kIo);
  EXPECT_NE(taken.error().message.find("127.0.0.1:" + std::to_string(options.port)), std::string::npos);
  options.hostname = "no such host";
  const auto wrong = HttpServer::start(options, usual_routes(), {});
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(wrong.error().message.find("no such host"), std::string::npos);
  options.hostname = "localhost";
  options.port = 0;
  const auto named = start(options);
  Client client(named->port());
  EXPECT_EQ(status(client.ask(get("/hello"))), 200U);
}

}  // namespace
}  // namespace gemvec::server
