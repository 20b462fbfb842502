// What a connection may not do: too much, too slowly, too often, or leave.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/read.hpp>
#include <cstdio>
#include <thread>

#include "server/http/http_testing.h"
#include "server/http/server.h"

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

constexpr const char* kTooLong = "Failed to buffer the request body: length limit exceeded";

HttpOptions small_body() {
  HttpOptions options = usual_options();
  options.payload_limit = 1'000;
  return options;
}

TEST(ServerLimits, ABodyThatIsTooLongIsRefusedBeforeItIsRead) {
  const auto server = start(small_body());
  Client exact(server->port());
  EXPECT_EQ(status(exact.ask(post("/echo", std::string(1'000, 'x')))), 200U);
  const auto over = exact.ask(post("/echo", std::string(1'001, 'x')));
  EXPECT_EQ(status(over), 413U);
  EXPECT_EQ(over->body(), kTooLong);
  EXPECT_EQ(field(over, "content-type"), "text/plain; charset=utf-8");
  EXPECT_EQ(field(over, "connection"), "close");
  EXPECT_TRUE(exact.closed());
  Client declared(server->port());
  EXPECT_EQ(
      status(declared.ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")),
      413U);
}

TEST(ServerLimits, AClientThatKeepsSendingStillReadsTheRefusal) {
  const auto server = start(small_body());
  Client client(server->port());
  client.send(post("/echo", std::string(4'000'000, 'x')));
  EXPECT_EQ(status(client.receive()), 413U);
}

std::string chunk(std::size_t size) {
  char head[32];
  std::snprintf(head, sizeof(head), "%zx\r\n", size);
  return head + std::string(size, 'y') + "\r\n";
}

TEST(ServerLimits, ChunkedBodiesAreCountedToo) {
  const auto server = start(small_body());
  const std::string head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  Client client(server->port());
  client.send(head + chunk(400));
  client.send(chunk(600) + "0\r\n\r\n" + get("/hello"));
  const auto answer = client.receive();
  ASSERT_EQ(status(answer), 200U);
  EXPECT_EQ(answer->body(), std::string(1'000, 'y'));
  EXPECT_EQ(client.receive()->body(), "hello");
  const auto over = client.ask(head + chunk(400) + chunk(601));
  ASSERT_EQ(status(over), 413U);
  EXPECT_EQ(over->body(), kTooLong);
  EXPECT_TRUE(client.closed());
  Client endless(server->port());
  EXPECT_EQ(status(endless.ask(head + "1;" + std::string(100'000, 'e'))), 431U);
}

TEST(ServerLimits, AHeadThatIsTooLongIsRefused) {
  const auto server = start();
  Client client(server->port());
  EXPECT_EQ(status(client.ask(get("/hello", "X-Long: " + std::string(15'000, 'x') + "\r\n"))), 200U);
  const auto answer = client.ask(get("/hello", "X-Long: " + std::string(17'000, 'x') + "\r\n"));
  EXPECT_EQ(status(answer), 431U);
  EXPECT_TRUE(client.closed());
  Client path(server->port());
  EXPECT_EQ(status(path.ask(get("/" + std::string(20'000, 'x')))), 431U);
  Client unfinished(server->port());
  EXPECT_EQ(status(unfinished.ask("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x'))), 431U);
}

TEST(ServerLimits, WhatIsNotHttpIsRefused) {
  const auto server = start();
  for (const std::string& bad :
       {std::string("nonsense\r\n\r\n"), std::string("GET /hello HTTP/2.0\r\nHost: localhost\r\n\r\n"),
        std::string("GET /hello HTTP/1.1\r\nHost localhost\r\n\r\n"),
        std::string("GET /hello HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"),
        std::string("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n"),
        std::string(
            "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        std::string("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        std::string("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)}) {
    Client client(server->port());
    EXPECT_EQ(status(client.ask(bad)), 400U) << bad;
    EXPECT_TRUE(client.closed()) << bad;
  }
  Client gzip(server->port());
  EXPECT_EQ(status(gzip.ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n")),
            501U);
}

TEST(ServerLimits, AnInvitationIsSentToWhoWaitsForIt) {
  const auto server = start(small_body());
  Client client(server->port());
  const std::string head =
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: ";
  EXPECT_EQ(status(client.ask(head + "4\r\n\r\n")), 100U);
  EXPECT_EQ(client.ask("body")->body(), "body");
  EXPECT_EQ(status(client.ask(head + "4000\r\n\r\n")), 413U);
  EXPECT_TRUE(client.closed());
  Client other(server->port());
  EXPECT_EQ(status(other.ask(
                "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: money\r\nContent-Length: 1\r\n\r\n")),
            417U);
}

TEST(ServerLimits, OldClientsAreClosedUnlessTheyAskOtherwise) {
  const auto server = start();
  Client client(server->port());
  EXPECT_EQ(client.ask("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")->body(), "hello");
  EXPECT_EQ(client.ask("GET /hello HTTP/1.0\r\n\r\n")->body(), "hello");
  EXPECT_TRUE(client.closed());
  Client modern(server->port());
  const auto answer = modern.ask(get("/hello", "Connection: close\r\n"));
  EXPECT_EQ(field(answer, "connection"), "close");
  EXPECT_TRUE(modern.closed());
}

TEST(ServerLimits, ATrickledHeadRunsOutOfTime) {
  HttpOptions options = usual_options();
  options.header_timeout = 1s;  // also for the first byte, which a busy machine may delay
  const auto server = start(options);
  Client client(server->port());
  const auto begin = std::chrono::steady_clock::now();
  client.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n");
  // Each byte comes well within the limit, and none extends it: if one did, no answer would come for as long
  // as they do, and they come for longer than the client waits.
  // Written past the client's stream: that one is this thread's while it reads.
  std::atomic<bool> received{false};
  std::thread trickle([&received, socket = client.stream.native_handle()] {
    while (!received) {
      ::send(socket, "X", 1, MSG_NOSIGNAL);
      std::this_thread::sleep_for(100ms);
    }
  });
  const auto answer = client.receive();
  const auto taken = std::chrono::steady_clock::now() - begin;
  received = true;
  trickle.join();
  EXPECT_EQ(status(answer), 408U);
  EXPECT_GE(taken, 990ms);
}

// One limit a server, so that no other can run out first.
TEST(ServerLimits, WhoConnectsAndIsSilentRunsOutOfTime) {
  HttpOptions options = usual_options();
  options.header_timeout = 200ms;
  const auto server = start(options);
  Client silent(server->port());
  EXPECT_TRUE(silent.closed());
}

TEST(ServerLimits, ASlowBodyRunsOutOfTime) {
  HttpOptions options = usual_options();
  options.body_timeout = 200ms;
  const auto server = start(options);
  Client client(server->port());
  EXPECT_EQ(status(client.ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf")),
            408U);
}

TEST(ServerLimits, AnIdleConnectionRunsOutOfTime) {
  HttpOptions options = usual_options();
  options.idle_timeout = 200ms;
  const auto server = start(options);
  Client client(server->port());
  EXPECT_EQ(status(client.ask(get("/hello"))), 200U);
  EXPECT_TRUE(client.closed());
}

TEST(ServerLimits, AnAnswerThatDoesNotComeIsReplacedAndTheWorkCancelled) {
  Router router = usual_routes();
  Awaited<std::pair<std::shared_ptr<const HttpRequest>, Respond>> seen;
  router.add("GET", "/wait", Access::kKey,
             [&](const std::shared_ptr<const HttpRequest>& request, const Respond& respond) {
               seen.set({request, respond});
             });
  HttpOptions options = usual_options();
  options.request_timeout = 2s;  // the second request, which is answered, has to do with it too
  const auto server = start(options, std::move(router));
  Client client(server->port());
  const auto answer = client.ask(get("/wait"));
  ASSERT_EQ(status(answer), 503U);
  EXPECT_EQ(answer->body(), R"({"error":"Request timed out","error_type":"Backend"})");
  EXPECT_TRUE(seen.get()->first->cancellation->cancelled());
  seen.get()->second({.status = 200, .body = "too late"});
  EXPECT_EQ(client.ask(get("/hello"))->body(), "hello");
}

TEST(ServerLimits, AnAnswerThatNobodyReadsIsGivenUp) {
  Router router;
  router.add("GET", "/", Access::kKey, [](const std::shared_ptr<const HttpRequest>&, const Respond& respond) {
    respond({.status = 200, .body = std::string(50'000'000, 'x')});  // more than the kernel takes
  });
  HttpOptions options = usual_options();
  options.write_timeout = 200ms;
  Awaited<bool> closed;
  HttpServer::Observers observers;
  observers.connections = [&](std::size_t open) {
    if (open == 0) closed.set(true);
  };
  const auto server = start(options, std::move(router), observers);
  Client client(server->port());
  client.send(get("/"));
  EXPECT_TRUE(closed.get().has_value());
}

TEST(ServerLimits, WorkIsCancelledWhenItsClientLeaves) {
  Router router;
  Awaited<std::pair<std::shared_ptr<const HttpRequest>, Respond>> seen;
  router.add("POST", "/wait", Access::kKey,
             [&](const std::shared_ptr<const HttpRequest>& request, const Respond& respond) {
               seen.set({request, respond});
             });
  Awaited<bool> closed;
  HttpServer::Observers observers;
  observers.connections = [&](std::size_t open) {
    if (open == 0) closed.set(true);
  };
  const auto server = start(usual_options(), std::move(router), observers);
  {
    Client client(server->port());
    client.send(post("/wait", "body") + get("/sent/ahead"));  // which must not hide that it leaves
    ASSERT_TRUE(seen.get().has_value());
    EXPECT_FALSE(seen.get()->first->cancellation->cancelled());
  }
  EXPECT_TRUE(closed.get().has_value());
  EXPECT_TRUE(seen.get()->first->cancellation->cancelled());
  seen.get()->second({.status = 200});  // nobody's any more
}

TEST(ServerLimits, ConnectionsBeyondTheLimitAreClosed) {
  HttpOptions options = usual_options();
  options.max_connections = 2;
  const auto server = start(options);
  Client first(server->port());
  EXPECT_EQ(status(first.ask(get("/hello"))), 200U);
  {
    Client second(server->port());
    EXPECT_EQ(status(second.ask(get("/hello"))), 200U);
    Client third(server->port());
    EXPECT_TRUE(third.closed());
  }
  // The place becomes free as soon as the server has noticed.
  for (int i = 0; i < 100; ++i) {
    Client again(server->port());
    if (status(again.ask(get("/hello"))) == 200U) return;
    std::this_thread::sleep_for(50ms);
  }
  ADD_FAILURE() << "the place of a closed connection was not given to another";
}

TEST(ServerLimits, ConnectionsOpenedAndDroppedLeaveNothing) {
  HttpServer::Observers observers;
  std::atomic<std::size_t> open{0};
  observers.connections = [&](std::size_t count) { open = count; };
  const auto server = start(usual_options(), usual_routes(), observers);
  for (int i = 0; i < 500; ++i) {
    Client client(server->port());
    if (i % 3 == 0) client.send("GET /hel");
    if (i % 3 == 1) client.send(post("/echo", "body"));
  }
  Client client(server->port());
  EXPECT_EQ(status(client.ask(get("/hello"))), 200U);
  for (int i = 0; i < 100 && open != 1; ++i) std::this_thread::sleep_for(50ms);
  EXPECT_EQ(open, 1U);
}

TEST(ServerLimits, RunningOutOfDescriptorsIsSurvived) {
  const auto server = start();
  Client other(server->port());  // so that everything that is opened once is open
  EXPECT_EQ(status(other.ask(get("/hello"))), 200U);
  boost::asio::io_context io;
  boost::asio::ip::tcp::socket socket(io, boost::asio::ip::tcp::v4());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = dup(STDERR_FILENO);
  ASSERT_GE(next, 0);
  close(next);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(next);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  boost::system::error_code failed;
  socket.connect({boost::asio::ip::make_address("127.0.0.1"), server->port()}, failed);  // into the backlog
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(status(other.ask(get("/hello"))), 200U);  // those that are open go on
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(failed) << failed.message();
  boost::asio::write(socket, boost::asio::buffer(get("/hello", "Connection: close\r\n")), failed);
  std::string text;
  boost::asio::read(socket, boost::asio::dynamic_buffer(text), failed);
  EXPECT_EQ(text.substr(0, 15), "HTTP/1.1 200 OK");
}

}  // namespace
}  // namespace gemvec::server
